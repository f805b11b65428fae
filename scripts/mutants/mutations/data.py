"""Mutations of rdpp/data."""

from mutations.mutation import Mutation

_CACHE = "tests/data/test_cache.py"
_FILES = "tests/data/test_files.py"
_READERS = "tests/data/readers"
_HELD = "tests/data/test_held_out.py"

MUTATIONS = [
    Mutation("mask: threshold", "rdpp/data/cache.py", "/ 255 > 0.5", "/ 255 > 0.3", _CACHE),
    Mutation("mask: nearest", "rdpp/data/cache.py", "Resampling.BILINEAR", "Resampling.NEAREST", _CACHE),
    Mutation(
        "image: resized as 8-bit numbers",
        "rdpp/data/cache.py",
        "return interpolate(tensor, size=size",
        "return interpolate((tensor * 255).byte(), size=size",
        _CACHE,
    ),
    Mutation("image: antialiased", "rdpp/data/cache.py", "align_corners=False)", "antialias=True)", _CACHE),
    Mutation("cache: content not looked at", "rdpp/data/cache.py", "{manifest[name]} {name}", "{name}", _CACHE),
    Mutation(
        "cache: masks' contents left out of its key",
        "rdpp/data/cache.py",
        "{role} {manifest[name]} {name}",
        "{role} {manifest[name] if role == 'image' else ''} {name}",
        _CACHE,
    ),
    Mutation(
        "cache: masks left out of its key",
        "rdpp/data/cache.py",
        "for path in item.files:",
        "for path in [item.path]:",
        _CACHE,
    ),
    Mutation(
        "mask: the first of several alone",
        "rdpp/data/cache.py",
        "for path in item.masks]",
        "for path in item.masks[:1]]",
        _CACHE,
    ),
    Mutation("files: hashed again each time", "rdpp/data/files.py", "known[path] = stamp, value", "pass", _FILES),
    Mutation(
        "files: a digest of another content is kept", "rdpp/data/files.py", "known[path][0] == stamp", "True", _FILES
    ),
    Mutation(
        "files: a change that keeps the time is not seen",
        "rdpp/data/files.py",
        "found.st_mtime_ns, found.st_ctime_ns)",
        "found.st_mtime_ns)",
        _FILES,
    ),
    Mutation(
        "files: remembered within a tick of the clock",
        "rdpp/data/files.py",
        "abs(now - found.st_mtime_ns) > _SETTLED",
        "True",
        _FILES,
    ),
    Mutation(
        "reader: good test images count as defective",
        "rdpp/data/readers/mvtec_ad.py",
        "folder.name, folder.name != GOOD, masks",
        "folder.name, True, masks",
        _READERS,
    ),
    Mutation(
        "reader: a mask of the image's own name comes first",
        "rdpp/data/readers/mvtec_ad.py",
        '("_mask.png", ".png")',
        '(".png", "_mask.png")',
        _READERS,
    ),
    Mutation(
        "category: masks of another size pass",
        "rdpp/data/category.py",
        "if image_size(mask) != image_size(image):",
        "if False:",
        "tests/data/test_category.py",
    ),
    Mutation(
        "batches: order from the global generator",
        "rdpp/data/batches.py",
        "randperm(count, generator=generator)",
        "randperm(count)",
        "tests/data/test_batches.py",
    ),
    Mutation(
        "held out: still trained on",
        "rdpp/data/held_out.py",
        "return np.sort(order[count:]), np.sort(order[:count])",
        "return np.sort(order), np.sort(order[:count])",
        _HELD,
    ),
    Mutation(
        "held out: defects without masks",
        "rdpp/data/held_out.py",
        "masks.append(mask)",
        "masks.append(0 * mask)",
        _HELD,
    ),
    Mutation(
        "held out: one key for both parts",
        "rdpp/data/held_out.py",
        "{split.key}, {name}",
        "{split.key}",
        "tests/data/test_held_out.py",
    ),
]
