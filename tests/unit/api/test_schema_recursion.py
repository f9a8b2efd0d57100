"""Which schemas come to an end: judged without any model."""

import sys

import pytest

from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.schema_recursion import check_recursion
from mlx_gui.core.errors import InvalidRequest

Schema = dict[str, object]

ITSELF: Schema = {"$ref": "#"}
LOOP: Schema = {"$ref": "#/$defs/loop"}


def node(inner: object, **more: object) -> Schema:
    """An object that must have `next`."""
    return {"type": "object", "properties": {"next": inner}, "required": ["next"], **more}


@pytest.mark.parametrize(
    ("schema", "place", "reference"),
    [
        (node(ITSELF), "schema.properties.next.$ref", "#"),
        (ITSELF, "schema.$ref", "#"),
        (node({"allOf": [{}, ITSELF]}), "schema.properties.next.allOf[1].$ref", "#"),
        (node({"anyOf": [ITSELF, node(ITSELF)]}), "schema.properties.next.anyOf[0].$ref", "#"),
        (
            node({"type": "array", "items": ITSELF, "minItems": 1}),
            "schema.properties.next.items.$ref",
            "#",
        ),
        (
            node({"type": "array", "prefixItems": [ITSELF], "minItems": 1}),
            "schema.properties.next.prefixItems[0].$ref",
            "#",
        ),
        (
            {"type": "object", "required": ["a"], "additionalProperties": ITSELF},
            "schema.additionalProperties.$ref",
            "#",
        ),
        (
            {"properties": {"a": LOOP}, "$defs": {"loop": node(LOOP)}},
            "schema.properties.a.$ref",
            "#/$defs/loop",
        ),
        (
            {
                "$ref": "#/$defs/a~1b",
                "$defs": {
                    "a/b": node({"$ref": "#/$defs/c%20d"}),
                    "c d": node({"$ref": "#/$defs/a~1b"}),
                },
            },
            "schema.$ref",
            "#/$defs/a~1b",
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"b": LOOP}}, "loop": node(LOOP)}},
            "schema.$defs.a.properties.b.$ref",
            "#/$defs/loop",
        ),
    ],
)
def test_recursion_without_a_way_out_is_refused_by_its_reference(
    schema: Schema, place: str, reference: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_schema(schema, param="schema")
    assert refused.value.details == {"param": place}
    assert f"`{place}` refers to '{reference}'" in refused.value.message
    assert "way out" in refused.value.hint


@pytest.mark.parametrize(
    "schema",
    [
        node({"type": "array", "items": ITSELF}),
        node({"type": "array", "items": ITSELF, "prefixItems": [{}], "minItems": 1}),
        node({"anyOf": [ITSELF, {"type": "null"}]}),
        node(ITSELF, type=["object", "null"]),
        node(ITSELF, enum=[{"next": {}}]),
        {"type": "object", "properties": {"next": ITSELF}},
        {"properties": {"next": ITSELF}, "required": ["next"]},
        {"$defs": {"loop": node(LOOP)}, "type": "string"},
        {"type": "object", "required": ["a"], "additionalProperties": True},
        {"type": "array", "items": [{}, ITSELF], "minItems": 1},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "other.json#/$defs/loop", "$defs": {"loop": node(LOOP)}},
        {
            "allOf": [{"$ref": "#/$defs/list"}],
            "$defs": {"list": node({"oneOf": [{"$ref": "#/$defs/list"}, {"type": "null"}]})},
        },
        {"properties": {"$ref": {"type": "string"}}, "required": ["$ref"], "type": "object"},
    ],
)
def test_recursion_with_a_way_out_is_taken(schema: Schema) -> None:
    check_schema(schema, param="schema")


@pytest.mark.parametrize(
    "schema", [None, 5, [], {"properties": 5, "required": 3, "$ref": 1, "items": {"type": []}}]
)
def test_what_is_no_schema_is_for_others_to_refuse(schema: object) -> None:
    check_recursion(schema, param="schema")


def test_a_long_chain_of_references_is_followed_to_its_end() -> None:
    last = 4 * sys.getrecursionlimit()
    chain = {f"d{n}": node({"$ref": f"#/$defs/d{n + 1}"}) for n in range(last)}

    def ending_in(schema: Schema) -> Schema:
        return {"$ref": "#/$defs/d0", "$defs": chain | {f"d{last}": schema}}

    check_schema(ending_in({"type": "null"}), param="s")
    with pytest.raises(InvalidRequest, match=r"'#/\$defs/d0'"):
        check_schema(ending_in({"$ref": "#/$defs/d7"}), param="s")
