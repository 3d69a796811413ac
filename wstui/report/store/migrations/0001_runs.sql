-- One line a run. `summary` is the result as JSON without what has a table of its own; while the run goes it is
-- what the result would be if it ended there. `writer` is the process that writes it: host, process id, its start.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    host TEXT NOT NULL,
    started TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'interrupted')),
    suite TEXT NOT NULL DEFAULT '',
    position INTEGER NOT NULL DEFAULT 0,
    writer TEXT NOT NULL,
    updated REAL NOT NULL,
    summary TEXT NOT NULL,
    environment TEXT NOT NULL
);
CREATE INDEX runs_by_name ON runs (name, id);

CREATE TABLE timeline (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;

CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;

CREATE TABLE failures (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    failure TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;

-- HdrHistogram V2, compressed, base64.
CREATE TABLE histograms (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    histogram TEXT NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;

CREATE TABLE tags (
    name TEXT PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
