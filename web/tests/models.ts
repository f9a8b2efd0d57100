import type { Memory, Model } from "../src/lib/api/types";

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
    model_type: "llama",
    capabilities: ["chat"],
    context_length: 8192,
    parameter_count: 1_000_000,
    quantization: null,
    disk_bytes: 1_000,
    path: "/models",
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
