"""Media jobs: files are made into what is shown, and end when nobody needs them."""
