"""Source code as Sprig sees it: lines, languages, functions, statements, words. Pure: no IO, no LSP, no models."""
