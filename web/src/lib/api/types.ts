import type { components } from "./schema";

type Schemas = components["schemas"];

/** The server sends every field; OpenAPI calls those with a default optional. */
export type Model = Required<Schemas["ModelObject"]>;
export type ModelState = Model["state"];
export type Memory = Schemas["MemoryStatus"];
export type MemorySegment = Schemas["MemorySegment"];
export type LoadPlan = Schemas["PlanBody"];
export type Manager = Required<Schemas["ManagerStatus"]>;
/** How a model stands that was asked for since the server started; with a worker, or without. */
export type LoadedModel = Required<Schemas["LoadedModel"]>;
export type UnloadedModel = Schemas["UnloadedModel"];
export type WaitingModel = Schemas["WaitingModel"];
export type ModelSetting = Schemas["ModelSettingBody"];
export type ModelSettings = Schemas["ModelSettingsBody"];
/** Card and licence of an installed model. */
export type ModelCard = Schemas["ModelCardBody"];
/** The chat template that is used. */
export type Revision = Schemas["RevisionBody"];
/** What a licence of some name allows. */
export type LicenceClass = NonNullable<Model["license_class"]>;
export type ChatMessage = Schemas["ChatMessage"];
export type SystemStatus = Schemas["SystemStatus"];
export type Download = Required<Schemas["DownloadBody"]>;
export type DownloadState = Download["state"];
/** A model on the hub, in a list and in detail. */
export type Found = Schemas["DiscoveredModel"];
export type FoundDetail = Required<Schemas["DiscoveredDetail"]>;
export type FoundPage = Required<Schemas["DiscoveredList"]>;
export type Variant = Schemas["VariantBody"];
export type Starter = Schemas["StarterBody"];
export type StarterList = Required<Schemas["StarterList"]>;
export type Fit = Schemas["FitBody"];
export type HubKind = NonNullable<Found["kind"]>;
export type ServerSetting = Schemas["ServerSettingBody"];
export type ServerSettings = Schemas["ServerSettingsBody"];
export type DiskUse = Schemas["DiskUse"];
export type FolderOnDisk = Schemas["FolderOnDisk"];
export type TrashEntry = Schemas["TrashEntryBody"];
export type TrashList = Schemas["TrashList"];
/** Work that takes long, like an import. */
export type Job = Required<Schemas["JobBody"]>;
/** How fast a model was, at one time. */
export type Benchmark = Schemas["BenchmarkBody"];
export type RemovedJob = Schemas["RemovedJob"];
export type ImportRequest = Required<Schemas["ImportRequest"]>;
export type ImportMode = ImportRequest["mode"];
export type RemovedDownload = Schemas["RemovedDownload"];
/** What happened in a range, in equal steps. */
export type History = Schemas["HistoryBody"];
export type ChartMark = Schemas["ChartMarkBody"];
/** The last second. */
export type Metrics = Schemas["MetricsEvent"];
export type Requests = Schemas["RequestList"];
export type RequestFacts = Required<Schemas["RequestObject"]>;
export type Hello = Schemas["HelloEvent"];
/** Of the topics that are told without asking; the system comes later where a disk sleeps. */
export interface Snapshot {
  models: Model[];
  memory: Memory;
  manager?: Manager;
  system?: SystemStatus | null;
  downloads?: Download[] | null;
  jobs?: Job[] | null;
  settings?: ServerSettings | null;
  metrics?: Metrics | null;
  notices?: Notice[] | null;
}
/** Why a model left memory last. */
export type Left = Schemas["LeftBody"];
/** Something that the server has told by itself. */
export type Notice = Required<Schemas["NoticeBody"]>;
export type RemovedNotice = Schemas["RemovedNotice"];
export type RemovedModel = Schemas["RemovedModel"];
