"""Files of tables as columns: header, texts, numbers and dates, as they are written."""
