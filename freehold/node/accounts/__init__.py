"""One account, moved from one installation to another: `freehold export` and `freehold import`.

owned.py      which rows of a store an account owns
shelf.py      rows on their way: a small database beside the store, gone when the work is done
records.py    the file: rows and bytes of blobs, one after the other, checked
envelope.py   the file sealed with a passphrase
leaving.py    export: rows of one commit onto a shelf, checked, then as records
arriving.py   import: records onto a shelf, checked, then into the store, all or nothing
command.py    what people type
"""
