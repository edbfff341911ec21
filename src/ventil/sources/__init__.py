"""Where records come from: text in, names and problems out."""
