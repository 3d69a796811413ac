-- `suite` holds the names of the presets in order; what they are called together, as in a suite file, is this.
ALTER TABLE runs ADD COLUMN suite_name TEXT NOT NULL DEFAULT '';
