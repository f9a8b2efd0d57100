import type { Download, Found, LoadedModel, LoadPlan, Manager, Memory, Model, Notice, WaitingModel } from "../src/lib/api/types";

/** A model with nothing special about it. */
export function model(id: string, changes: Partial<Model> = {}): Model {
  return {
    id,
    base_model: null,
    object: "model",
    type: "model",
    created: 0,
    created_at: "2026-01-01T00:00:00Z",
    owned_by: "someone",
    display_name: id,
    kind: "text",
    library: "mlx-lm",
    model_type: "llama",
    capabilities: ["chat"],
    context_length: 8192,
    max_model_len: 8192,
    parameter_count: 1_000_000,
    quantization: null,
    license: null,
    license_link: null,
    license_class: null,
    revision: null,
    disk_bytes: 1_000,
    path: "/models",
    copies: [],
    aliases: [],
    pinned: false,
    keep_alive_s: null,
    supported: true,
    problem: null,
    state: "not_loaded",
    load_progress: null,
    load_stage: null,
    memory: null,
    active: 0,
    queued: 0,
    last_used_at: null,
    expires_at: null,
    error: null,
    ...changes,
  };
}

/** 100 bytes in all, of which other apps have 20 and models may have 60. */
export function memory(changes: Partial<Memory> = {}): Memory {
  return {
    total_bytes: 100,
    available_bytes: 80,
    other_apps_bytes: 20,
    budget_bytes: 60,
    used_by_models_bytes: 0,
    pressure: "normal",
    segments: [],
    machine_bytes: 100,
    free_bytes: 60,
    budget: {
      static_bytes: 60,
      now_bytes: 60,
      reason: "what the setting says",
      reserve_bytes: 20,
      bounds: [],
    },
    container: null,
    ...changes,
  };
}

/** A plan of a load that simply fits and needs 12 bytes of 60. */
export function loadPlan(model: string, changes: Partial<LoadPlan> = {}): LoadPlan {
  return {
    model,
    context: 4096,
    wanted_context: 4096,
    context_because: "set for the server",
    needs: {
      weights_bytes: 8,
      kv_bytes: 2,
      prefix_bytes: 1,
      overhead_bytes: 1,
      load_peak_bytes: 12,
      total_bytes: 12,
    },
    measured: false,
    fits: "yes",
    reason: "It fits.",
    evict: [],
    keep: [],
    budget_bytes: 60,
    after: { used_bytes: 12, free_bytes: 48 },
    max_context_that_fits: 4096,
    warnings: [],
    plan_token: "a.b.c",
    ...changes,
  };
}

/** A model that is loaded and idle. */
export function loadedModel(id: string, changes: Partial<LoadedModel> = {}): LoadedModel {
  return {
    id,
    state: "ready",
    pid: 1,
    memory: null,
    slots: 4,
    active: 0,
    queued: 0,
    loads: 1,
    last_used_at: null,
    expires_at: null,
    weight_form: "stored",
    context: 4096,
    serial_because: null,
    need: null,
    pinned: false,
    priority: 0,
    keep_alive_s: null,
    evictions: 0,
    evicted_because: null,
    error: null,
    ...changes,
  };
}

/** A model that somebody waits for. */
export function waitingModel(id: string, changes: Partial<WaitingModel> = {}): WaitingModel {
  return {
    id,
    state: "queued",
    pinned: false,
    priority: 0,
    loads: 0,
    evictions: 0,
    evicted_because: null,
    last_used_at: null,
    error: null,
    returned: null,
    queued: 1,
    waits_because: null,
    ...changes,
  };
}

/** Nothing is in memory, and nobody waits. */
export function manager(changes: Partial<Manager> = {}): Manager {
  return {
    loaded_models: [],
    queue: [],
    max_loaded_models: 3,
    active_requests: 0,
    queued_requests: 0,
    waiting: [],
    unloaded_models: [],
    spare: null,
    safe_mode: { active: false, reason: null },
    ...changes,
  };
}

/** A download of `org/{id}` that waits. */
export function download(id: string, changes: Partial<Download> = {}): Download {
  return {
    id,
    object: "download",
    model_id: `org/${id}`,
    revision: "0123",
    requested_revision: "main",
    state: "queued",
    bytes_done: 0,
    bytes_total: 100,
    bytes_per_s: null,
    eta_s: null,
    files_done: 0,
    files_total: 1,
    current_file: null,
    note: null,
    error: null,
    retry_at: null,
    turn: 0,
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    ...changes,
  };
}

/** A model on the hub with nothing special about it. */
export function found(id: string, changes: Partial<Found> = {}): Found {
  return {
    id,
    author: id.split("/")[0] ?? null,
    name: id.split("/")[1] ?? id,
    base_model: null,
    kind: "text",
    capabilities: ["chat"],
    model_type: "llama",
    parameter_count: null,
    quantization: "4-bit",
    size_bytes: 4,
    license: null,
    license_link: null,
    license_class: null,
    gated: false,
    downloads: null,
    likes: null,
    updated_at: null,
    supported: { ok: true, reason: null },
    fit: { state: "yes", need_bytes: 1, context: null },
    installed: null,
    variants: [],
    ...changes,
  };
}

/** An eviction that nobody has taken back. */
export function notice(id: number, changes: Partial<Notice> = {}): Notice {
  return {
    id,
    seq: id,
    at: "2026-01-01T00:00:00Z",
    kind: "evicted",
    level: "info",
    message: "a was unloaded to make room for b: idle for 5 s.",
    subject: "b",
    models: ["a"],
    client: null,
    reason: "idle for 5 s",
    hint: null,
    job: null,
    count: 1,
    undo: "possible",
    ...changes,
  };
}
