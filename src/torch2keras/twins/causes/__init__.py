"""Why a twin differs from its module, in words."""
