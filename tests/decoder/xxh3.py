"""XXH3 with 64 bits, seed 0 and the default secret.

Written from the published specification of the algorithm:
https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

MASK = (1 << 64) - 1

P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
PRIME_MX1, PRIME_MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)


def word(data, at, size=8):
    return int.from_bytes(data[at : at + size], "little")


def rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def swap(value, size):
    return int.from_bytes(value.to_bytes(size, "little"), "big")


def fold(left, right):
    """The product of two words, its halves joined."""
    product = left * right
    return (product ^ product >> 64) & MASK


def avalanche(value):
    value ^= value >> 37
    value = value * PRIME_MX1 & MASK
    return value ^ value >> 32


def avalanche_xxh64(value):
    value ^= value >> 33
    value = value * P64_2 & MASK
    value ^= value >> 29
    value = value * P64_3 & MASK
    return value ^ value >> 32


def short(data):
    size = len(data)
    if size == 0:
        return avalanche_xxh64(word(SECRET, 56) ^ word(SECRET, 64))
    if size <= 3:
        combined = data[size - 1] | size << 8 | data[0] << 16 | data[size >> 1] << 24
        return avalanche_xxh64(combined ^ word(SECRET, 0, 4) ^ word(SECRET, 4, 4))
    if size <= 8:
        value = word(data, size - 4, 4) | word(data, 0, 4) << 32
        value ^= word(SECRET, 8) ^ word(SECRET, 16)
        value ^= rotate(value, 49) ^ rotate(value, 24)
        value = value * PRIME_MX2 & MASK
        value ^= (value >> 35) + size
        value = value * PRIME_MX2 & MASK
        return value ^ value >> 28
    low = word(SECRET, 24) ^ word(SECRET, 32) ^ word(data, 0)
    high = word(SECRET, 40) ^ word(SECRET, 48) ^ word(data, size - 8)
    return avalanche((size + swap(low, 8) + high + fold(low, high)) & MASK)


def mix(data, at, secret_at):
    return fold(word(data, at) ^ word(SECRET, secret_at), word(data, at + 8) ^ word(SECRET, secret_at + 8))


def medium(data):
    size = len(data)
    total = size * P64_1 & MASK
    if size <= 128:
        for turn in range((size - 1) // 32 + 1):
            total += mix(data, 16 * turn, 32 * turn) + mix(data, size - 16 * turn - 16, 32 * turn + 16)
        return avalanche(total & MASK)
    for turn in range(8):
        total += mix(data, 16 * turn, 16 * turn)
    total = avalanche(total & MASK)
    for turn in range(8, size // 16):
        total += mix(data, 16 * turn, 16 * (turn - 8) + 3)
    return avalanche((total + mix(data, size - 16, 136 - 17)) & MASK)


def accumulate(lanes, data, at, secret_at):
    for lane in range(8):
        value = word(data, at + 8 * lane)
        key = value ^ word(SECRET, secret_at + 8 * lane)
        lanes[lane ^ 1] = (lanes[lane ^ 1] + value) & MASK
        lanes[lane] = (lanes[lane] + (key & 0xFFFFFFFF) * (key >> 32)) & MASK


def scramble(lanes):
    for lane in range(8):
        value = lanes[lane] ^ lanes[lane] >> 47 ^ word(SECRET, len(SECRET) - 64 + 8 * lane)
        lanes[lane] = value * P32_1 & MASK


def long(data):
    lanes = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    stripes = (len(SECRET) - 64) // 8
    full = (len(data) - 1) // 64
    for stripe in range(full):
        accumulate(lanes, data, 64 * stripe, 8 * (stripe % stripes))
        if stripe % stripes == stripes - 1:
            scramble(lanes)
    accumulate(lanes, data, len(data) - 64, len(SECRET) - 64 - 7)
    total = len(data) * P64_1
    for pair in range(4):
        at = 11 + 16 * pair
        total += fold(lanes[2 * pair] ^ word(SECRET, at), lanes[2 * pair + 1] ^ word(SECRET, at + 8))
    return avalanche(total & MASK)


def xxh3(data):
    """The hash of `data`."""
    if len(data) <= 16:
        return short(data)
    return medium(data) if len(data) <= 240 else long(data)
