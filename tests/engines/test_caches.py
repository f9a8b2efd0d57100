"""The caches of a batch: when they need a mask, and that rows keep what is theirs."""

import pytest

from tests.engines.remote import RemoteEngine


@pytest.fixture(scope="module")
def masks(engine: RemoteEngine) -> dict[str, str]:
    return engine.child.call(_masks)


def _masks() -> dict[str, str]:
    """The kind of mask for each state of a batch. Runs in the child."""
    import mlx.core as mx

    from mlx_gui.engines.text.caches import SequenceKVCache

    def row(tokens: int) -> SequenceKVCache:
        cache = SequenceKVCache()
        if tokens:
            cache.update_and_fetch(mx.ones((1, 2, tokens, 4)), mx.ones((1, 2, tokens, 4)))
        return cache

    def kind(batch: object, tokens: int, **how: object) -> str:
        mask = batch.make_mask(tokens, **how)
        return "array" if isinstance(mask, mx.array) else str(mask)

    empty = SequenceKVCache.merge([row(0)])
    one = SequenceKVCache.merge([row(5)])
    equal = SequenceKVCache.merge([row(5), row(5)])
    padded = SequenceKVCache.merge([row(5), row(3)])
    found = {
        "nothing yet": kind(empty, 1),
        "one row, one token": kind(one, 1),
        "one row, a chunk": kind(one, 4),
        "one row with a window": kind(one, 1, window_size=4),
        "one row, an array asked for": kind(one, 4, return_array=True),
        "rows of one length": kind(equal, 1),
        "rows of two lengths": kind(padded, 1),
    }
    padded.filter([1])
    found["the short row alone"] = kind(padded, 1)
    one.extend(SequenceKVCache.merge([row(2)]))
    found["a short row joined"] = kind(one, 1)
    one.filter([0])
    found["the short row left"] = kind(one, 1)
    return found


@pytest.mark.parametrize(
    ("state", "mask"),
    [
        ("nothing yet", "None"),
        ("one row, one token", "None"),
        ("one row, a chunk", "causal"),
        ("one row with a window", "array"),
        ("one row, an array asked for", "array"),
        ("rows of one length", "None"),
        ("rows of two lengths", "array"),
        ("the short row alone", "None"),
        ("a short row joined", "array"),
        ("the short row left", "None"),
    ],
)
def test_a_batch_masks_only_where_rows_are_padded(
    state: str, mask: str, masks: dict[str, str]
) -> None:
    assert masks[state] == mask


def test_a_single_row_leaves_the_cache_that_it_shares_as_it_was(engine: RemoteEngine) -> None:
    before, after = engine.child.call(_shared_and_written)
    assert after == before


def _shared_and_written() -> tuple[list[float], list[float]]:
    """All keys of a cache before and after a row that began with it has grown."""
    import mlx.core as mx

    from mlx_gui.engines.text.caches import SequenceKVCache

    cache = SequenceKVCache()
    cache.update_and_fetch(mx.ones((1, 2, 5, 4)), mx.ones((1, 2, 5, 4)))
    cache.trim(2)
    before = cache.keys.flatten().tolist()
    row = SequenceKVCache.merge([cache])
    keys, values = row.update_and_fetch(2 * mx.ones((1, 2, 3, 4)), 3 * mx.ones((1, 2, 3, 4)))
    assert keys[0, 1, :, 0].tolist() == [1, 1, 1, 2, 2, 2]
    assert values[0, 1, :, 0].tolist() == [1, 1, 1, 3, 3, 3]
    return before, cache.keys.flatten().tolist()


def test_a_row_grows_to_whole_steps_and_is_not_copied_when_all_rows_stay(
    engine: RemoteEngine,
) -> None:
    engine.child.call(_grow)


def _grow() -> None:
    import mlx.core as mx

    from mlx_gui.engines.text.caches import SequenceKVCache

    def new(tokens: int) -> mx.array:
        return mx.ones((1, 2, tokens, 4))

    cache = SequenceKVCache()
    cache.update_and_fetch(new(300), new(300))
    row = SequenceKVCache.merge([cache])
    for tokens, length in ((1, 512), (211, 512), (1, 768), (300, 1024)):
        row.update_and_fetch(new(tokens), new(tokens))
        assert row.keys.shape[2] == row.values.shape[2] == length
    assert row.size() == 300 + 513
    kept = row.keys
    row.filter([0])
    assert row.keys is kept
    assert row.offset.tolist() == [813]
