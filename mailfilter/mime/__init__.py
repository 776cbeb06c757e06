"""From bytes to a tree of parts: headers, transfer encodings, charsets, HTML, types by content.

Everything here is pure, takes any bytes and raises on none, in time and memory linear in their number.
`mailfilter.message` is the face of it.
"""
