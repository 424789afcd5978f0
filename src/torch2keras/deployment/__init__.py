"""Files of a converted model for other runtimes: written, loaded anew, run and compared."""
