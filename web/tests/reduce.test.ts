import { describe, expect, it } from "vitest";

import type { Job } from "../src/lib/api/types";
import { NOTHING_YET, parseEvent, reduce, type LiveState, type StreamEvent } from "../src/lib/state/reduce";
import { manager, memory, model, notice } from "./models";

const hello = (boot_id: string): StreamEvent => ({
  event: "hello",
  data: { server_version: "0.1.0", ui_build: null, boot_id, now: "2026-01-01T00:00:00Z" },
});
const snapshot = (...ids: string[]): StreamEvent => ({
  event: "snapshot",
  data: { models: ids.map((id) => model(id)), memory: memory() },
});
const after = (...events: StreamEvent[]): LiveState => events.reduce(reduce, NOTHING_YET);
const ids = (state: LiveState) => state.models?.map(({ id }) => id);

describe("the state after events", () => {
  it("knows nothing before the first snapshot", () => {
    const state = after(hello("a"), { event: "model", data: model("x") });
    expect(state.models).toBeNull();
    expect(state.memory).toBeNull();
  });

  it("has a changed model in the place of the old one", () => {
    const state = after(snapshot("a", "b"), { event: "model", data: model("a", { state: "ready" }) });
    expect(state.models?.map(({ state }) => state)).toEqual(["ready", "not_loaded"]);
  });

  it("has a new model where its id belongs", () => {
    expect(ids(after(snapshot("a", "c"), { event: "model", data: model("b") }))).toEqual(["a", "b", "c"]);
  });

  it("has a removed model no more", () => {
    expect(ids(after(snapshot("a", "b"), { event: "model_removed", data: { id: "a" } }))).toEqual(["b"]);
  });

  it("has notices in the order in which they were told, the renewed ones last", () => {
    const { data } = snapshot() as StreamEvent & { event: "snapshot" };
    const state = after(
      { event: "snapshot", data: { ...data, notices: [notice(1), notice(2)] } },
      { event: "notice", data: notice(3) },
      { event: "notice", data: notice(1, { seq: 4, count: 2 }) },
      { event: "notice", data: notice(2, { undo: "done" }) },
      { event: "notice_removed", data: { id: 3 } },
    );
    expect(state.notices?.map(({ id, undo }) => [id, undo])).toEqual([[2, "done"], [1, "possible"]]);
  });

  it("knows no notice before the first snapshot", () => {
    expect(after({ event: "notice", data: notice(1) }).notices).toBeNull();
  });

  it("is the snapshot's after a gap, whatever was missed", () => {
    const state = after(snapshot("a", "b"), hello("restarted"), snapshot("c"));
    expect(ids(state)).toEqual(["c"]);
    expect(state.hello?.boot_id).toBe("restarted");
  });

  it("keeps showing the old models between a reconnect and its snapshot", () => {
    expect(ids(after(snapshot("a"), hello("restarted")))).toEqual(["a"]);
  });

  it("has how the models stand as last told, also after a new snapshot", () => {
    const told = manager({ safe_mode: { active: true, reason: "It died twice." } });
    const state = after(snapshot("a"), { event: "manager", data: told }, snapshot("a"));
    expect(state.manager).toEqual(told);
  });

  it("has how the models stand from the first snapshot on", () => {
    const { data } = snapshot("a") as StreamEvent & { event: "snapshot" };
    const state = after({ event: "snapshot", data: { ...data, manager: manager() } });
    expect(state.manager).toEqual(manager());
  });

  it("has the settings of the server as told last, also after a snapshot that leaves them out", () => {
    const told = { settings: {}, restart_pending: true, problems: [] };
    const state = after(snapshot("a"), { event: "settings", data: told }, snapshot("b"));
    expect(state.settings).toEqual(told);
    expect(parseEvent("settings", JSON.stringify(told))?.data).toEqual(told);
  });

  it("has every job as it was told last, the newest first, until it is forgotten", () => {
    const job = (id: string, state: string) => ({ id, state }) as unknown as Job;
    const told = after(snapshot(), { event: "snapshot", data: { models: [], memory: memory(), jobs: [job("a", "queued")] } });
    const later = [job("a", "done"), job("b", "running")].reduce((state, data) => reduce(state, { event: "job", data }), told);
    expect(later.jobs?.map(({ id, state }) => `${id} ${state}`)).toEqual(["b running", "a done"]);
    expect(reduce(later, { event: "job_removed", data: { id: "a", object: "job", deleted: true } }).jobs).toHaveLength(1);
  });

  it("does not change the state it came from", () => {
    const before = after(snapshot("a"));
    reduce(before, { event: "model", data: model("a", { state: "busy" }) });
    expect(before.models?.[0]?.state).toBe("not_loaded");
  });
});

it("passes over events that it does not know", () => {
  expect(parseEvent("weather", "{}")).toBeNull();
});
