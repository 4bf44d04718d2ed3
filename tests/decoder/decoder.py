#!/usr/bin/env python3
"""Reads a database by nothing but the appendix of the book, `book/chapters/formats.md`.

    CURRENT ─▶ manifest ─▶ live tables ──┐
                    └────▶ logs ─────────┴▶ entries ─▶ the newest of each key ─▶ listing

It follows the appendix section by section and shares no line with the engine, so where both read the same, the
appendix says what the engine does. Every checksum, count and order that the appendix names is checked.

    decoder.py DIRECTORY

prints one line for each visible key, `key=value`, in the order of keys. A byte stands for itself if it is ASCII that
can be seen, other than `\\` and `=`; any other is `\\x` and two hexadecimal digits. A value of more than 64 bytes is
shown as `(70 bytes, xxh3 0123456789abcdef)`. It ends with 3 for a damaged database and with 4 for an unsupported one,
after a line on stderr that names the file.
"""

import os
import re
import sys
import zlib

from xxh3 import xxh3

MASK = (1 << 64) - 1
LAST_SEQUENCE = (1 << 56) - 1
LAST_FILE = (1 << 58) - 1
LONGEST_KEY, LONGEST_VALUE = 65_535, 1 << 30
LONGEST_PAYLOAD = LONGEST_VALUE + (1 << 20)
VALUE, DELETION = 1, 2


class Damaged(Exception):
    """The file is not what a writer wrote."""


class Unsupported(Exception):
    """The file is sound and of a later release."""


def demand(holds, what):
    if not holds:
        raise Damaged(what)


def little(number, size):
    return number.to_bytes(size, "little")


def crc32(*parts):
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


class Reader:
    """Takes fields from the front of some bytes."""

    def __init__(self, data, at=0, end=None):
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def left(self):
        return self.end - self.at

    def bytes(self, size):
        demand(size <= self.left(), f"{size} bytes wanted, {self.left()} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def integer(self, size):
        return int.from_bytes(self.bytes(size), "little")

    def u8(self):
        return self.integer(1)

    def u16(self):
        return self.integer(2)

    def u32(self):
        return self.integer(4)

    def u64(self):
        return self.integer(8)

    def varint(self):
        value = 0
        for index in range(10):
            byte = self.u8()
            demand(index < 9 or byte <= 1, "a varint beyond 64 bits")
            value |= (byte & 127) << 7 * index
            if byte < 128:
                return value

    def up_to(self, most):
        value = self.varint()
        demand(value <= most, f"{value} is beyond {most}")
        return value

    def string(self):
        return self.bytes(self.varint())

    def within(self, size):
        """A reader of the next `size` bytes."""
        start = self.at
        self.bytes(size)
        return Reader(self.data, start, self.at)

    def finish(self):
        demand(self.left() == 0, f"{self.left()} bytes too many")


def order(user_key, sequence):
    """Compares as entries do: keys ascending, of one key sequences descending."""
    return user_key, -sequence


def check_version(version, features, known=(1,)):
    if version not in known or features != 0:
        raise Unsupported(f"version {version} with features {features:#x}")


# The directory


def file_name(kind, number):
    return {"manifest": f"MANIFEST-{number:06}", "log": f"{number:06}.log", "table": f"{number:06}.sst"}[kind]


def salt_of(database, number):
    return crc32(database, little(number, 8))


class Directory:
    def __init__(self, path):
        self.path = path

    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as file:
            return file.read()

    def check_numbers(self):
        """No file that is the database's, whether it counts or not, has a number that leaves none above it."""
        for name in os.listdir(self.path):
            parts = re.fullmatch(r"MANIFEST-([0-9]+)|([0-9]+)\.(?:log|log\.damaged|sst|tmp)", name)
            digits = parts and (parts[1] or parts[2])
            if digits and digits == f"{int(digits):06}" and int(digits) <= MASK:
                demand(int(digits) <= LAST_FILE, f"{name}: no database counts its files so far")

    def logs(self):
        names = [name for name in os.listdir(self.path) if re.fullmatch(r"[0-9]+\.log", name)]
        numbers = {int(name[:-4]) for name in names if name == file_name("log", int(name[:-4]))}
        return sorted(number for number in numbers if number <= MASK)

    def decode(self, name, decode, *arguments):
        """What `decode` makes of a file; whatever is wrong with it gets its name."""
        try:
            return decode(self.read(name), *arguments)
        except FileNotFoundError:
            raise Damaged(f"{name}: it is not there") from None
        except (Damaged, Unsupported) as wrong:
            raise type(wrong)(f"{name}: {wrong}") from None


def decode_current(data):
    """The database's id and the number of the manifest."""
    demand(len(data) == 44, f"{len(data)} bytes")
    reader = Reader(data)
    demand(reader.bytes(8) == bytes.fromhex("894c534d430d0a1a"), "the magic is wrong")
    version, _, features = reader.u16(), reader.u16(), reader.u32()
    database, manifest = reader.bytes(16), reader.u64()
    demand(reader.u32() == crc32(data[:40]), "the checksum is wrong")
    check_version(version, features)
    return database, manifest


# Record logs

LOG_BLOCK, LOG_HEADER, PROMISE_BYTES = 32_768, 32, 15
FULL, FIRST, MIDDLE, LAST, PROMISE = 1, 2, 3, 4, 5


def decode_fragment(data, at, salt):
    """The type and payload of the fragment at `at`, and where it ends; `None` when there is none."""
    left = LOG_BLOCK - at % LOG_BLOCK
    head = data[at : at + 7]
    if left < PROMISE_BYTES or len(head) < 7:
        return None
    crc, length, kind = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:6], "little"), head[6]
    end = at + 7 + length
    if 7 + length > left or end > len(data) or not FULL <= kind <= PROMISE or (kind == PROMISE and length != 8):
        return None
    payload = data[at + 7 : end]
    if crc != crc32(little(salt, 4), little(at, 8), head[4:7], payload):
        return None
    return kind, payload, end


def decode_log_header(data, number, salt):
    """Where the records begin; `None` when they do not."""
    if len(data) < LOG_HEADER:
        return None
    reader = Reader(data)
    magic, version, _, features = reader.bytes(8), reader.u16(), reader.u16(), reader.u32()
    named, salted, crc = reader.u64(), reader.u32(), reader.u32()
    if magic != bytes.fromhex("894c534d4c0d0a1a") or crc != crc32(data[:28]):
        return None
    check_version(version, features)
    demand((named, salted) == (number, salt), "it is the log of another number or database")
    return LOG_HEADER


def decode_log(data, number, salt):
    """The records in front of the first damage, and the highest promise, 0 without any."""
    records, promise = [], 0
    if not any(data):
        return records, promise
    at = decode_log_header(data, number, salt)
    if at is None:
        return records, highest_promise_behind(data, 0, salt)
    tail = len(data.rstrip(b"\0"))
    open_record = None
    while True:
        left = LOG_BLOCK - at % LOG_BLOCK
        if left < PROMISE_BYTES:
            at += left
            continue
        if at >= tail and open_record is None:
            return records, promise
        fragment = decode_fragment(data, at, salt)
        kind, payload, end = fragment or (None, b"", at)
        if kind not in ((MIDDLE, LAST) if open_record else (FULL, FIRST, PROMISE)):
            damage = open_record[0] if open_record and fragment is None else at
            return records, max(promise, highest_promise_behind(data, damage, salt))
        if kind == FULL:
            records.append(payload)
        elif kind == PROMISE:
            promise = max(promise, int.from_bytes(payload, "little"))
        elif kind == FIRST:
            open_record = [at, payload]
        else:
            open_record[1] += payload
            if kind == LAST:
                records.append(open_record[1])
                open_record = None
        at = end


def highest_promise_behind(data, damage, salt):
    highest, at = 0, data.find(b"\x08\x00\x05", damage + 4)
    while at >= 0:
        fragment = decode_fragment(data, at - 4, salt)
        if fragment and fragment[0] == PROMISE:
            highest = max(highest, int.from_bytes(fragment[1], "little"))
        at = data.find(b"\x08\x00\x05", at + 1)
    return highest


# Batches


def decode_batch(record):
    """The first sequence of a batch, and its entries."""
    reader = Reader(record)
    first, count = reader.varint(), reader.varint()
    demand(first >= 1 and count >= 1 and first + count - 1 <= LAST_SEQUENCE, f"{count} entries from {first} on")
    entries = []
    for sequence in range(first, first + count):
        kind, keyspace, user_key, value = reader.u8(), reader.varint(), reader.string(), reader.string()
        demand(kind in (VALUE, DELETION), f"kind {kind}")
        demand(keyspace == 0, f"keyspace {keyspace}")
        demand(len(user_key) <= LONGEST_KEY and len(value) <= LONGEST_VALUE, "beyond a limit")
        demand(kind == VALUE or not value, "a deletion with a value")
        entries.append((user_key, sequence, kind, value))
    reader.finish()
    return first, entries


def replay_logs(directory, database, floor, flushed):
    """The entries of all batches that count."""
    numbers = [number for number in directory.logs() if number >= floor]
    logs = []
    for number in numbers:
        name = file_name("log", number)
        logs.append((name, *directory.decode(name, decode_log, number, salt_of(database, number))))
    promise = max((promised for _, _, promised in logs), default=0)
    demand(promise <= LAST_SEQUENCE, "a log promises a sequence that no entry has")
    accepted, last = [], flushed
    for name, record in ((name, record) for name, records, _ in logs for record in records):
        try:
            first, entries = decode_batch(record)
        except Damaged as wrong:
            raise Damaged(f"{name}: a record is no batch: {wrong}") from None
        if first + len(entries) - 1 <= flushed:
            continue
        if first != last + 1:
            break
        accepted += entries
        last += len(entries)
    demand(last >= promise, f"the logs end at {last}, and up to {promise} was promised")
    return accepted


# The manifest


class Live:
    """A live table, as the manifest describes it."""

    def __init__(self, reader):
        self.level, self.number, self.size = reader.varint(), reader.up_to(LAST_FILE), reader.varint()
        self.smallest = reader.string(), reader.up_to(LAST_SEQUENCE)
        self.largest = reader.string(), reader.up_to(LAST_SEQUENCE)
        flags = reader.u8()
        self.first, self.last = reader.up_to(LAST_SEQUENCE), reader.up_to(LAST_SEQUENCE)
        self.entries, self.deletions, self.crc = reader.varint(), reader.varint(), reader.u32()
        demand(self.level <= 6, f"level {self.level}")
        demand(flags == 1, f"flags {flags}")
        in_order = order(*self.smallest) <= order(*self.largest) and self.first <= self.last
        demand(in_order and self.deletions <= self.entries, f"what it says of table {self.number}")


class Version:
    """What the edits so far lead to."""

    def __init__(self):
        self.tables = {}
        self.numbers = {1: 0, 2: 0, 4: 0}

    def apply(self, record):
        reader, added, removed = Reader(record), [], []
        while reader.left():
            tag = reader.u8()
            field = reader.within(reader.varint())
            if tag in self.numbers:
                self.numbers[tag] = field.up_to(LAST_SEQUENCE if tag == 4 else LAST_FILE)
            elif tag == 3:
                demand(field.varint() == 0, "another keyspace")
            elif tag == 5:
                added.append(Live(field))
            elif tag == 6:
                level, number = field.varint(), field.up_to(LAST_FILE)
                demand(level <= 6, f"level {level}")
                removed.append((level, number))
            else:
                demand(tag >= 128, f"tag {tag}")
                field.bytes(field.left())
            field.finish()
        for level, number in removed:
            table = self.tables.pop(number, None)
            demand(table and table.level == level, f"table {number} is removed where it is not")
        for table in added:
            demand(table.number not in self.tables, f"table {table.number} is live twice")
            self.tables[table.number] = table
        self.check_levels()

    def check_levels(self):
        for level in range(7):
            tables = sorted((t for t in self.tables.values() if t.level == level), key=lambda t: order(*t.smallest))
            if level == 0:
                demand(len({(t.first, t.last) for t in tables}) == len(tables), "two tables of the same sequences")
            else:
                disjoint = all(a.largest[0] < b.smallest[0] for a, b in zip(tables, tables[1:]))
                demand(disjoint, f"two tables of level {level} overlap")


def decode_manifest(data, number, salt):
    records, promise = decode_log(data, number, salt)
    demand(len(records) >= max(promise, 1), f"{len(records)} records of {max(promise, 1)} promised")
    version = Version()
    for record in records:
        version.apply(record)
    flushed = version.numbers[4]
    demand(all(table.last <= flushed for table in version.tables.values()), f"a table holds more than {flushed}")
    return version


# Tables


def decompress(stored):
    reader = Reader(stored)
    size, output = reader.varint(), bytearray()
    demand(size <= min(255 * reader.left(), LONGEST_PAYLOAD), f"{size} bytes from {reader.left()}")

    def lengthened(length):
        while length >= 15:
            more = reader.u8()
            length += more
            if more != 255:
                break
        return length

    while reader.left():
        token = reader.u8()
        output += reader.bytes(lengthened(token >> 4))
        if not reader.left():
            break
        back = reader.u16()
        demand(1 <= back <= len(output), "a match before the beginning")
        length = lengthened(token & 15) + 4
        demand(len(output) + length <= size, "more than was declared")
        if back >= length:
            output += output[len(output) - back : len(output) - back + length]
        else:
            output += (output[-back:] * (length // back + 1))[:length]
    demand(len(output) == size, f"{len(output)} bytes, {size} declared")
    return bytes(output)


def read_block(data, offset, size, salt, version):
    demand(size <= LONGEST_PAYLOAD and offset + size + 5 <= len(data), f"a block of {size} bytes at {offset}")
    stored = data[offset : offset + size]
    codec = data[offset + size]
    checksum = int.from_bytes(data[offset + size + 1 : offset + size + 5], "little")
    if version == 1:
        found = crc32(stored, bytes([codec]), little(offset, 8), little(salt, 4))
    else:
        found = crc32(little(salt, 4), little(offset, 8), bytes([codec]), stored)
    demand(checksum == found, f"the checksum of the block at {offset} is wrong")
    if codec > 1:
        raise Unsupported(f"codec {codec}")
    return decompress(stored) if codec == 1 else stored


class Footer:
    BYTES = 64

    def __init__(self, data, salt):
        demand(len(data) >= Footer.BYTES, f"{len(data)} bytes")
        start = len(data) - Footer.BYTES
        reader = Reader(data, start)
        self.index = reader.u64(), reader.u32()
        self.metaindex = reader.u64(), reader.u32()
        self.entries, size, salted = reader.u64(), reader.u64(), reader.u32()
        self.version, zero, features, checksum = reader.u16(), reader.u16(), reader.u32(), reader.u32()
        demand(reader.bytes(8) == bytes.fromhex("894c534d540d0a1a"), "the magic is wrong")
        demand(checksum == crc32(data[start : start + 52]), "the footer's checksum is wrong")
        demand(zero == 0 or self.version > 2, "what must be zero is not")
        check_version(self.version, features, known=(1, 2))
        demand((salted, size) == (salt, len(data)), "the footer is of another file")
        demand(sum(self.index) + 5 == start, "the index does not end at the footer")
        demand(sum(self.metaindex) + 5 == self.index[0], "the metaindex does not end at the index")


def decode_metaindex(payload):
    """The name, offset and length of each meta block."""
    reader, blocks = Reader(payload), []
    for _ in range(reader.up_to(256)):
        name, flags, offset, size = reader.string(), reader.u8(), reader.varint(), reader.varint()
        try:
            name = name.decode()
        except UnicodeDecodeError:
            raise Damaged("a name is not UTF-8") from None
        demand(flags <= 1, f"flags {flags}")
        demand(all(name != other for other, _, _ in blocks), f"meta block {name} is there twice")
        blocks.append((name, offset, size))
        if flags == 1 and name != "properties":
            raise Unsupported(f"meta block {name}")
    reader.finish()
    return blocks


PROPERTIES = {
    1: "entries",
    2: "deletions",
    3: "smallest",
    4: "largest",
    5: "first",
    6: "last",
    7: "key bytes",
    8: "value bytes",
    9: "data blocks",
    10: "data bytes",
}


def decode_properties(payload):
    reader, properties, last = Reader(payload), {}, 0
    while reader.left():
        tag = reader.u8()
        demand(tag > last, f"property {tag} behind {last}")
        last = tag
        value = reader.within(reader.varint())
        if tag in (3, 4):
            sequence = value.varint()
            properties[PROPERTIES[tag]] = value.bytes(value.left()), sequence
        elif tag in PROPERTIES:
            properties[PROPERTIES[tag]] = value.varint()
        elif tag < 128:
            raise Unsupported(f"property {tag}")
        else:
            value.bytes(value.left())
        value.finish()
    demand(len(properties) == len(PROPERTIES), "a property is missing")
    return properties


def decode_index(payload):
    """The separator of each data block, and its length as stored."""
    reader = Reader(payload)
    prefix, blocks = reader.string(), []
    for _ in range(reader.varint()):
        rest, sequence, size = reader.string(), reader.up_to(LAST_SEQUENCE), reader.varint()
        separator = order(prefix + rest, sequence)
        demand(not blocks or blocks[-1][0] < separator, "the separators do not ascend")
        blocks.append((separator, size))
    reader.finish()
    return blocks


def decode_data_block(payload):
    """The entries of a block, in their order."""
    at = len(payload) - 4
    demand(at >= 0, "a block without counts")
    prefix_length, count = (int.from_bytes(payload[at + n : at + n + 2], "little") for n in (0, 2))
    offsets_at = at - 2 * count
    heads_at = offsets_at - 4 * count
    prefix_at = heads_at - prefix_length
    demand(count >= 1 and prefix_at >= 0, f"{count} entries and {prefix_length} bytes of prefix")
    prefix = payload[prefix_at:heads_at]
    starts = [int.from_bytes(payload[offsets_at + 2 * n :][:2], "little") for n in range(count)]
    demand(starts[0] == 0, "the first entry does not begin the block")
    entries = []
    for number, (start, end) in enumerate(zip(starts, starts[1:] + [prefix_at])):
        demand(start < end <= prefix_at, "the offsets do not ascend")
        reader = Reader(payload, start, end)
        kind, sequence = reader.u8(), reader.varint()
        suffix_length, value_length = reader.varint(), reader.varint()
        suffix, value = reader.bytes(suffix_length), reader.bytes(value_length)
        reader.finish()
        demand(kind in (VALUE, DELETION) and 1 <= sequence <= LAST_SEQUENCE, f"kind {kind} at {sequence}")
        demand(payload[heads_at + 4 * number :][:4] == suffix[:4].ljust(4, b"\0"), "a head is not the suffix's")
        entries.append((prefix + suffix, sequence, kind, value))
    return entries


def decode_data(read, blocks, data_bytes):
    """The entries of all data blocks, in their order."""
    entries, offset, below = [], 0, None
    for separator, size in blocks:
        block = decode_data_block(read(offset, size))
        keys = [order(user_key, sequence) for user_key, sequence, _, _ in block]
        demand(all(a < b for a, b in zip(keys, keys[1:])), "the entries do not ascend")
        demand(keys[-1] <= separator and (below is None or below < keys[0]), "an entry is beyond its separator")
        entries += block
        below = separator
        offset += size + 5
    demand(offset == data_bytes, "the data does not end where the properties say")
    return entries


def recount(entries):
    """The properties as the entries show them."""
    sequences = [sequence for _, sequence, _, _ in entries]
    return {
        "entries": len(entries),
        "deletions": sum(kind == DELETION for _, _, kind, _ in entries),
        "smallest": entries[0][:2],
        "largest": entries[-1][:2],
        "first": min(sequences),
        "last": max(sequences),
        "key bytes": sum(len(user_key) for user_key, _, _, _ in entries),
        "value bytes": sum(len(value) for _, _, _, value in entries),
    }


def decode_table(data, salt, live):
    """The entries of a table, after all that the manifest and the table say of it was found right."""
    demand(len(data) == live.size and crc32(data) == live.crc, "it is not the file that the manifest describes")
    footer = Footer(data, salt)

    def read(offset, size):
        return read_block(data, offset, size, salt, footer.version)

    metaindex = decode_metaindex(read(*footer.metaindex))
    meta = {name: read(offset, size) for name, offset, size in metaindex}
    demand("properties" in meta, "the properties are missing")
    properties = decode_properties(meta["properties"])
    end = properties["data bytes"]
    for name, offset, size in metaindex:
        demand(offset == end, f"meta block {name} does not begin where the one before ends")
        end = offset + size + 5
    demand(end == footer.metaindex[0], "the metaindex does not begin where the meta blocks end")
    blocks = decode_index(read(*footer.index))
    entries = decode_data(read, blocks, properties["data bytes"])
    counted = recount(entries) | {"data blocks": len(blocks), "data bytes": properties["data bytes"]}
    demand(counted == properties, "the properties are not those of the entries")
    of_manifest = live.entries, live.deletions, live.smallest, live.largest, live.first, live.last
    named = ("entries", "deletions", "smallest", "largest", "first", "last")
    demand(of_manifest == tuple(counted[name] for name in named), "the manifest says something else of it")
    demand(footer.entries == len(entries), "the footer counts other entries")
    hashes = {xxh3(user_key) for user_key, _, _, _ in entries}
    for name, may_contain in (("filter.bloom", bloom), ("filter.blocked", blocked)):
        if name in meta:
            demand(all(map(may_contain(meta[name]), hashes)), f"{name} denies a key that is there")
    return entries


# Filters


def scale(number, below):
    return number * below >> 64


def rotate(number, bits):
    return (number << bits | number >> 64 - bits) & MASK


def words_behind(reader, count):
    demand(count >= 1 and reader.left() == 8 * count, f"{count} words in {reader.left()} bytes")
    return [reader.u64() for _ in range(count)]


def bloom(contents):
    """The question that a standard filter answers."""
    reader = Reader(contents)
    probes, count = reader.u8(), reader.varint()
    demand(1 <= probes <= 30, f"{probes} probes")
    words = words_behind(reader, count)

    def may_contain(hashed):
        walk = ((hashed + probe * rotate(hashed, 32)) & MASK for probe in range(probes))
        positions = (scale(step, 64 * count) for step in walk)
        return all(words[position // 64] >> position % 64 & 1 for position in positions)

    return may_contain


def blocked(contents):
    """The question that a blocked filter answers."""
    reader = Reader(contents)
    count = reader.varint()
    words = words_behind(reader, 8 * count)

    def may_contain(hashed):
        block, spread = scale(hashed, count), hashed * 0x9E3779B97F4A7C15 & MASK
        for number in range(8):
            spread = rotate(spread, 6)
            if not words[8 * block + number] >> spread % 64 & 1:
                return False
        return True

    return may_contain


# All of it


def read_database(path):
    """The visible values by their keys."""
    directory = Directory(path)
    directory.check_numbers()
    database, number = directory.decode("CURRENT", decode_current)
    version = directory.decode(file_name("manifest", number), decode_manifest, number, salt_of(database, number))
    entries = []
    for table in version.tables.values():
        salt = salt_of(database, table.number)
        entries += directory.decode(file_name("table", table.number), decode_table, salt, table)
    entries += replay_logs(directory, database, version.numbers[1], version.numbers[4])
    newest = {}
    for user_key, sequence, kind, value in entries:
        if user_key not in newest or newest[user_key][0] < sequence:
            newest[user_key] = sequence, kind, value
    return {user_key: value for user_key, (_, kind, value) in newest.items() if kind == VALUE}


def shown(data):
    def one(byte):
        return chr(byte) if 0x21 <= byte <= 0x7E and byte not in b"\\=" else f"\\x{byte:02x}"

    return "".join(map(one, data))


def line(user_key, value):
    if len(value) > 64:
        return f"{shown(user_key)}=({len(value)} bytes, xxh3 {xxh3(value):016x})"
    return f"{shown(user_key)}={shown(value)}"


def main(arguments):
    if len(arguments) != 1:
        print("usage: decoder.py DIRECTORY", file=sys.stderr)
        return 2
    try:
        contents = read_database(arguments[0])
    except Damaged as wrong:
        print(f"damaged: {wrong}", file=sys.stderr)
        return 3
    except Unsupported as wrong:
        print(f"unsupported: {wrong}", file=sys.stderr)
        return 4
    for user_key in sorted(contents):
        print(line(user_key, contents[user_key]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
