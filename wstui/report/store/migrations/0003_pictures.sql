-- What the dashboard showed, once a second: the fields of the status as JSON without rows, marks and distributions,
-- compressed. `key` is the number of the picture whose JSON is the dictionary of this one.
CREATE TABLE pictures (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    key INTEGER NOT NULL,
    at_s REAL NOT NULL,
    picture BLOB NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
