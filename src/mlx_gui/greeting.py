"""What whoever starts the server reads first: where it is, and what to ask it."""

_CURL = """curl {address}/v1/chat/completions -H 'content-type: application/json' -d '{{
  "model": "{model_id}",
  "messages": [{{"role": "user", "content": "What is the capital of France?"}}],
  "temperature": 0
}}'"""


def greeting(address: str, version: str, model_id: str | None) -> str:
    """Where the server is, and the first request to `model_id` if there is one."""
    lines = [
        f"mlx-gui {version} serves on {address}",
        f"  interface  {address}/admin",
        f"  OpenAI     {address}/v1",
    ]
    if model_id is not None:
        lines += ["", "Ask it something:", "", _CURL.format(address=address, model_id=model_id)]
    return "\n".join(lines) + "\n"
