"""The endpoint: it answers with the champion's scores and stands on features, core and inference alone."""
