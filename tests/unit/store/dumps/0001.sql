BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE locations (
	id INTEGER NOT NULL, 
	model_id INTEGER NOT NULL, 
	path VARCHAR NOT NULL, 
	seen_at VARCHAR NOT NULL, 
	CONSTRAINT pk_locations PRIMARY KEY (id), 
	CONSTRAINT fk_locations_model_id FOREIGN KEY(model_id) REFERENCES models (id) ON DELETE CASCADE, 
	CONSTRAINT uq_locations_path UNIQUE (path)
);
INSERT INTO "locations" VALUES(1,1,'/models/HuggingFaceTB/SmolLM2-135M-Instruct','2026-03-04T05:06:07+00:00');
INSERT INTO "locations" VALUES(2,2,'/models/local','2026-03-04T05:06:07+00:00');
INSERT INTO "locations" VALUES(3,2,'/disk/local','2026-02-03T04:05:06+00:00');
CREATE TABLE models (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	discovered_at VARCHAR NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (id), 
	CONSTRAINT uq_models_name UNIQUE (name)
);
INSERT INTO "models" VALUES(1,'HuggingFaceTB/SmolLM2-135M-Instruct','2026-01-02T03:04:05+00:00');
INSERT INTO "models" VALUES(2,'local','2026-02-03T04:05:06+00:00');
CREATE TABLE settings (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	changed_at VARCHAR NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('max_loaded_models','2','2026-01-02T03:04:05+00:00');
INSERT INTO "settings" VALUES('allowed_hosts','["studio.local"]','2026-01-02T03:04:05+00:00');
CREATE INDEX ix_locations_model_id ON locations (model_id);
COMMIT;
