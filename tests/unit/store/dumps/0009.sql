BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0009');
CREATE TABLE aliases (
	alias VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	created_at VARCHAR NOT NULL, 
	CONSTRAINT pk_aliases PRIMARY KEY (alias)
);
INSERT INTO "aliases" VALUES('gpt-4o','local','2026-03-04T05:06:07+00:00');
CREATE TABLE benchmarks (
	id VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	measured_at FLOAT NOT NULL, 
	context INTEGER, 
	figures VARCHAR NOT NULL, 
	CONSTRAINT pk_benchmarks PRIMARY KEY (id)
);
INSERT INTO "benchmarks" VALUES('bench-1','local','0.1.0',1772600706.0,4096,'[{"trial":{"prompt_tokens":512,"answer_tokens":128,"at_once":1},"first_token_ms":812.5,"prompt_tokens_per_s":640.25,"answer_tokens_per_s":31.5,"problem":""}]');
CREATE TABLE devices (
	fingerprint VARCHAR NOT NULL, 
	facts VARCHAR NOT NULL, 
	probed_at VARCHAR NOT NULL, 
	CONSTRAINT pk_devices PRIMARY KEY (fingerprint)
);
INSERT INTO "devices" VALUES('machine','{"backend": "cpu", "name": "a processor", "memory_bytes": 8000000000, "working_set_bytes": null, "versions": {"mlx": "0.32.4"}, "text_model_types": ["llama"]}','2026-03-04T05:06:07+00:00');
CREATE TABLE hidden_models (
	model VARCHAR NOT NULL, 
	CONSTRAINT pk_hidden_models PRIMARY KEY (model)
);
INSERT INTO "hidden_models" VALUES('local');
CREATE TABLE jobs (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	arguments VARCHAR NOT NULL, 
	title VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	created_at FLOAT NOT NULL, 
	updated_at FLOAT NOT NULL, 
	ended_at FLOAT, 
	stage VARCHAR NOT NULL, 
	done INTEGER NOT NULL, 
	total INTEGER, 
	unit VARCHAR NOT NULL, 
	error VARCHAR, detail VARCHAR DEFAULT '' NOT NULL, position INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (id)
);
INSERT INTO "jobs" VALUES('job-0123456789ab','install-starter','{"model_id":"HuggingFaceTB/SmolLM2-135M-Instruct"}','Install HuggingFaceTB/SmolLM2-135M-Instruct','failed',1772600767.5,1772600800.25,1772600800.25,'download',1048576,92871040,'bytes','{"code":"fetch_failed","message":"pip could not download it.","hint":"","details":{}}','{"files_done":1}',3);
CREATE TABLE measurements (
	spec_key VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	active_bytes INTEGER NOT NULL, 
	cache_bytes INTEGER NOT NULL, 
	peak_bytes INTEGER NOT NULL, 
	rss_bytes INTEGER NOT NULL, 
	load_ms FLOAT NOT NULL, 
	measured_at VARCHAR NOT NULL, load_peak_bytes INTEGER DEFAULT '0' NOT NULL, peak_rss_bytes INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_measurements PRIMARY KEY (spec_key)
);
INSERT INTO "measurements" VALUES('0123456789abcdef','local',540000000,1000000,860000000,700000000,812.5,'2026-03-04T05:06:07+00:00',860000000,990000000);
CREATE TABLE model_settings (
	model VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	changed_at VARCHAR NOT NULL, 
	CONSTRAINT pk_model_settings PRIMARY KEY (model, name)
);
INSERT INTO "model_settings" VALUES('local','context','4096','2026-03-04T05:06:07+00:00');
CREATE TABLE models (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	discovered_at VARCHAR NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (id), 
	CONSTRAINT uq_models_name UNIQUE (name)
);
INSERT INTO "models" VALUES(1,'HuggingFaceTB/SmolLM2-135M-Instruct','2026-01-02T03:04:05+00:00');
INSERT INTO "models" VALUES(2,'local','2026-02-03T04:05:06+00:00');
CREATE TABLE responses (
	id VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	previous_id VARCHAR, 
	created_at VARCHAR NOT NULL, 
	input VARCHAR NOT NULL, 
	output VARCHAR NOT NULL, 
	body VARCHAR NOT NULL, 
	CONSTRAINT pk_responses PRIMARY KEY (id)
);
INSERT INTO "responses" VALUES('resp_1','local','local',NULL,'2026-03-04T05:06:07+00:00','[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}], "id": "msg_1_i0"}]','[]','{"id": "resp_1", "object": "response", "output": []}');
CREATE TABLE seen_models (
	model VARCHAR NOT NULL, 
	seen VARCHAR NOT NULL, 
	CONSTRAINT pk_seen_models PRIMARY KEY (model)
);
INSERT INTO "seen_models" VALUES('local','{"root":"/models","folder":"/models/local","device":64768,"disk_bytes":271000000,"facts":null}');
CREATE TABLE settings (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	changed_at VARCHAR NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('max_loaded_models','2','2026-01-02T03:04:05+00:00');
INSERT INTO "settings" VALUES('allowed_hosts','["studio.local"]','2026-01-02T03:04:05+00:00');
CREATE TABLE trash_folders (
	base VARCHAR NOT NULL, 
	CONSTRAINT pk_trash_folders PRIMARY KEY (base)
);
INSERT INTO "trash_folders" VALUES('/disk');
CREATE INDEX ix_responses_created_at ON responses (created_at);
CREATE INDEX ix_benchmarks_model ON benchmarks (model);
COMMIT;
