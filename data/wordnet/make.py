#!/usr/bin/env python3
"""Make wordnet.tsv.gz: one line per WordNet word, `word TAB definition`.

Without --from, the files come from the Debian package wordnet-base, fetched
with apt-get and unpacked into a temporary directory (run `apt-get update`
first if apt has no package lists).
"""

import argparse
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile

PACKAGE = "wordnet-base=1:3.0-37"
PACKAGE_DIR = "usr/share/wordnet"
# File suffix and the abbreviation shown, in the order shown.
PARTS = [("noun", "n."), ("verb", "v."), ("adj", "adj."), ("adv", "adv.")]
# Syntactic marker of an adjective: attributive, predicative, postnominal.
MARKER = re.compile(r"\((a|p|ip)\)$")


class Error(Exception):
    pass


def run(command, cwd):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    except FileNotFoundError:
        raise Error(f"{command[0]} not found; give the WordNet files with --from")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise Error(f"{' '.join(command)} failed: {lines[-1]}")


def fetch(directory):
    """Fetch and unpack the package; return the directory of its data files."""
    os.chmod(directory, 0o755)
    run(["apt-get", "download", PACKAGE], directory)
    debs = [name for name in os.listdir(directory) if name.endswith(".deb")]
    if len(debs) != 1:
        raise Error(f"expected one package file, found {len(debs)}")
    run(["dpkg-deb", "-x", debs[0], "."], directory)
    return os.path.join(directory, PACKAGE_DIR)


def records(path):
    """The lines of a WordNet file, without the licence header."""
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            if not line.startswith(" "):
                yield line.rstrip()


def read_data(path):
    """Map synset offset -> (words, gloss)."""
    synsets = {}
    for line in records(path):
        # offset lex_filenum ss_type w_cnt (word lex_id)... pointers... | gloss
        head, bar, gloss = line.partition(" | ")
        if not bar:
            raise Error(f"{path}: a synset without a gloss: {line[:60]}")
        fields = head.split(" ")
        count = int(fields[3], 16)
        words = [word.replace("_", " ") for word in fields[4:4 + 2 * count:2]]
        synsets[fields[0]] = (words, " ".join(gloss.split()))
    return synsets


def read_index(path):
    """Yield each lower-case lemma's synset offsets, most frequent sense first."""
    for line in records(path):
        # lemma pos synset_cnt p_cnt pointers... sense_cnt tagsense_cnt offset...
        fields = line.split(" ")
        yield fields[0], fields[len(fields) - int(fields[2]):]


def read_part(directory, part):
    """Map word -> its senses as text, in order, for one part of speech."""
    synsets = read_data(os.path.join(directory, "data." + part))
    senses = {}
    for lemma, offsets in read_index(os.path.join(directory, "index." + part)):
        for offset in offsets:
            words, gloss = synsets[offset]
            for word in words:
                if MARKER.sub("", word).lower().replace(" ", "_") != lemma:
                    continue
                senses.setdefault(word, []).append(gloss)
    missed = {word for words, _ in synsets.values() for word in words} - set(senses)
    if missed:
        raise Error(f"{part}: not in the index: {min(missed)}")
    return senses


def escape(field):
    field = field.replace("\\", "\\\\")
    if any(char in field for char in "\t\n\r"):
        raise Error(f"a tab or line end inside a field: {field[:60]!r}")
    return field


def make_text(directory):
    """Return (number of words, the lines as bytes)."""
    entries = {}
    for part, name in PARTS:
        for word, senses in read_part(directory, part).items():
            if len(senses) > 1:
                senses = [f"{n}. {sense}" for n, sense in enumerate(senses, 1)]
            entries.setdefault(word, []).append(f"{name} {' '.join(senses)}")
    lines = []
    for word in sorted(entries, key=lambda word: word.encode()):
        lines.append(f"{escape(word)}\t{escape(' | '.join(entries[word]))}\n")
    return len(entries), "".join(lines).encode()


def compress(text):
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, buffer, mtime=0) as file:
        file.write(text)
    return buffer.getvalue()


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", metavar="DIR",
                        help="directory with WordNet's data.* and index.* files")
    parser.add_argument("--out", metavar="FILE",
                        default=os.path.join(here, "wordnet.tsv.gz"),
                        help="file to write (default: wordnet.tsv.gz beside the script)")
    args = parser.parse_args()

    if args.source:
        words, text = make_text(args.source)
    else:
        with tempfile.TemporaryDirectory() as directory:
            words, text = make_text(fetch(directory))
    packed = compress(text)
    with open(args.out, "wb") as file:
        file.write(packed)

    print(f"words         {words:>12,}")
    print(f"text bytes    {len(text):>12,}")
    print(f"gzip bytes    {len(packed):>12,}")
    print(f"text sha256   {hashlib.sha256(text).hexdigest()}")
    print(f"gzip sha256   {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    try:
        main()
    except Error as error:
        sys.exit(f"make.py: {error}")
    except OSError as error:
        sys.exit(f"make.py: {error.filename}: {error.strerror}")
    except (ValueError, IndexError, KeyError) as error:
        sys.exit(f"make.py: not a WordNet 3.0 file: {error!r}")
