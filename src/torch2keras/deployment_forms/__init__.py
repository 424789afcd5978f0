"""Forms of a converted graph for a file that runs elsewhere: fixed sizes, operators of LiteRT.

The Keras model is written to be read, loaded and trained. A file for a phone is none of that: it is
to be small and quick. `deployment_graph` traces the same conversion for given sizes, by other forms
where these are better there: `table` holds other converters of ATen ops (what a resize means is
lost in its Keras calls), `rules` other ways to run a call of the Keras graph.
"""
