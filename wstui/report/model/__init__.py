"""Tables, labels and formats that every report shares."""
