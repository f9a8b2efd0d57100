"""A real server and the local hub: what is found there is planned as what is installed."""

from pathlib import Path

from tests.hub.faults import Fault
from tests.hub.folders import model_folder
from tests.hub.server import HubServer
from tests.support.server import running_server

TOKEN = "hf_abcdefghijklmnopqrst"
LARGE = {
    "hidden_size": 8192,
    "intermediate_size": 28_672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
}


def test_a_model_on_the_hub_is_planned_with_three_contexts(tmp_path: Path) -> None:
    with HubServer() as hub:
        folder = model_folder(tmp_path / "small")
        hub.add("org/small", folder, tags=("mlx",), pipeline_tag="text-generation")
        folder = model_folder(tmp_path / "large", config=LARGE)
        hub.add("org/large", folder, tags=("mlx",), pipeline_tag="text-generation")
        hub.tokens[TOKEN] = set()
        settings = {"hub_endpoint": hub.url, "hub_token": TOKEN}
        with (
            running_server(tmp_path, engine="mlx", settings=settings) as server,
            server.client() as client,
        ):
            listed = client.get("/v1/discover/compatible").json()
            assert [each["id"] for each in listed["data"]] == ["org/small", "org/large"]
            small = client.get("/v1/discover/models/org/small").json()
            assert small["fit"]["state"] in ("yes", "tight")
            assert small["fit"]["need_bytes"] > 10_000_000
            assert [each["context"] for each in small["fits"]] == [4096, 32_768, 131_072]
            assert small["fits"][0]["need_bytes"] < small["fits"][1]["need_bytes"]
            # Its weights are hardly there; what 131,072 tokens take of 80 layers is.
            large = client.get("/v1/discover/models/org/large").json()
            assert large["fits"][-1]["state"] in ("no", "tight")
            hub.fault("*", Fault("status", where="api", times=None, status=500))
            refused = client.get("/v1/discover/models/org/other")
            assert refused.status_code == 502
            written = server.log.read_text()
        assert TOKEN not in written + server.log.read_text()
        assert all(each.token in (None, f"Bearer {TOKEN}") for each in hub.seen)
