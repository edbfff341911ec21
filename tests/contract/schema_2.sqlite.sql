-- The tables of schema 2, as released in November 2026. Never changed again.

CREATE TABLE provider (
  "key" TEXT NOT NULL,
  state TEXT,
  stamp_s FLOAT,
  paused TEXT,
  PRIMARY KEY ("key")
);

CREATE TABLE run (
  id TEXT NOT NULL,
  job TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  state TEXT NOT NULL,
  provider TEXT NOT NULL,
  series TEXT NOT NULL,
  period TEXT NOT NULL,
  period_start TEXT NOT NULL,
  period_end TEXT NOT NULL,
  day TEXT NOT NULL,
  output TEXT NOT NULL,
  refresh BOOLEAN NOT NULL,
  tolerate FLOAT NOT NULL,
  created_s FLOAT NOT NULL,
  finished_s FLOAT,
  records INTEGER NOT NULL,
  settled_before INTEGER NOT NULL,
  message TEXT DEFAULT '' NOT NULL,
  cancel BOOLEAN DEFAULT 0 NOT NULL,
  tallies TEXT DEFAULT '{}' NOT NULL,
  keys BLOB NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX run_by_created ON run (created_s);

CREATE INDEX run_by_job ON run (job, state);

CREATE TABLE series (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE ventil_version (
  version INTEGER NOT NULL
);

CREATE TABLE chunk (
  run_id TEXT NOT NULL,
  idx INTEGER NOT NULL,
  batches BLOB NOT NULL,
  attempts INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  finished BOOLEAN NOT NULL,
  since_s FLOAT NOT NULL,
  PRIMARY KEY (run_id, idx),
  FOREIGN KEY(run_id) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE failure (
  id INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  "key" TEXT NOT NULL,
  status TEXT NOT NULL,
  detail TEXT NOT NULL,
  request TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  first_s FLOAT NOT NULL,
  last_s FLOAT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (run_id, "key"),
  FOREIGN KEY(run_id) REFERENCES run (id) ON DELETE CASCADE
);

CREATE TABLE good (
  series_id INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  value BIGINT NOT NULL,
  start TEXT,
  "end" TEXT,
  fetched_s FLOAT NOT NULL,
  PRIMARY KEY (series_id, "key"),
  FOREIGN KEY(series_id) REFERENCES series (id)
)
 WITHOUT ROWID;

CREATE TABLE kept (
  series_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  body BLOB,
  memory BLOB,
  at_s FLOAT NOT NULL,
  PRIMARY KEY (series_id, name),
  FOREIGN KEY(series_id) REFERENCES series (id)
);

CREATE TABLE sample (
  series_id INTEGER NOT NULL,
  day TEXT NOT NULL,
  "key" TEXT NOT NULL,
  status TEXT NOT NULL,
  value BIGINT,
  start TEXT,
  "end" TEXT,
  fetched_s FLOAT NOT NULL,
  attempts INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (series_id, day, "key"),
  FOREIGN KEY(series_id) REFERENCES series (id)
)
 WITHOUT ROWID;

CREATE TABLE unfolded (
  series_id INTEGER NOT NULL,
  day TEXT NOT NULL,
  PRIMARY KEY (series_id, day),
  FOREIGN KEY(series_id) REFERENCES series (id)
)
 WITHOUT ROWID;

INSERT INTO ventil_version VALUES (2);
