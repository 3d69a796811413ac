-- The preset's file: its path, or its name alone if it comes with wstui. Two files may have presets of one name.
ALTER TABLE runs ADD COLUMN file TEXT NOT NULL DEFAULT '';
