"""How dates are written where no template says it: the admin's. FORMAT_MODULE_PATH leads here."""
