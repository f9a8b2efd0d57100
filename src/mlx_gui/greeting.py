"""What whoever starts the server reads first: where it is, and what to ask it."""

_CURL = """curl {address}/v1/chat/completions -H 'content-type: application/json' -d '{{
  "model": "{model_id}",
  "messages": [{{"role": "user", "content": "What is the capital of France?"}}],
  "temperature": 0
}}'"""


def greeting(address: str, version: str) -> str:
    """Where the server is."""
    lines = [
        f"mlx-gui {version} serves on {address}",
        f"  interface  {address}/admin",
        f"  OpenAI     {address}/v1",
    ]
    return "\n".join(lines) + "\n"


def first_request(address: str, model_id: str) -> str:
    """What may be asked now that `model_id` is there."""
    return f"Ask it something:\n\n{_CURL.format(address=address, model_id=model_id)}\n"
