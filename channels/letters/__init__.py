"""Bills on paper: the way to who prints and mails them."""
