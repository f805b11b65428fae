"""Mutations of rdpp/data."""

from mutations.mutation import Mutation

_CACHE = "tests/data/test_cache.py"
_FAULTS = "tests/data/test_cache_faults.py"
_FILES = "tests/data/test_files.py"
_READERS = "tests/data/readers"
_RECOGNISING = "tests/data/test_recognising.py"
_RESIZING = "rdpp/data/resizing.py"
_DECODING, _DECODING_TEST = "rdpp/data/decoding.py", "tests/data/test_decoding.py"
_MASKS, _MASKS_TEST = "rdpp/data/masks.py", "tests/data/test_masks.py"
_HELD = "tests/data/test_held_out.py"

MUTATIONS = [
    Mutation("mask: threshold", _RESIZING, "/ 255 > 0.5", "/ 255 > 0.3", _CACHE),
    Mutation("mask: nearest", _RESIZING, "Resampling.BILINEAR", "Resampling.NEAREST", _CACHE),
    Mutation(
        "image: resized as 8-bit numbers",
        _RESIZING,
        "interpolate(tensor, size=box[2:]",
        "interpolate((tensor * 255).byte(), size=box[2:]",
        _CACHE,
    ),
    Mutation("image: antialiased", _RESIZING, "align_corners=False)", "antialias=True)", _CACHE),
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
        "for path in item.masks or ()]",
        "for path in (item.masks or ())[:1]]",
        _CACHE,
    ),
    Mutation("cache: damage is not seen", "rdpp/data/cache.py", "if reason := _flaw(folder):", "if False:", _FAULTS),
    Mutation(
        "cache: zeroed masks are not seen",
        "rdpp/data/cache.py",
        "if np.count_nonzero(masks) != sum(facts.resized_mask_pixels):",
        "if False:",
        _FAULTS,
    ),
    Mutation(
        "cache: two builders do not wait",
        "rdpp/data/cache.py",
        'with _acquired(FileLock(begun / f"{folder.name}.lock"), folder):',
        "with suppress():",
        _FAULTS,
    ),
    Mutation(
        "cache: no room is reserved", "rdpp/data/arrays.py", "_reserve(path, file.fileno(), size)", "pass", _FAULTS
    ),
    Mutation(
        "cache: digests of blocks are not compared",
        "rdpp/data/seal.py",
        "if any(found[kind]",
        "if 0 and any(found[kind]",
        _FAULTS,
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
        "if top.name == GOOD:",
        "if False:",
        _READERS,
    ),
    Mutation(
        "reader: labels that are not public count as good",
        "rdpp/data/readers/mvtec_ad_2.py",
        'Item(path.relative_to(root), "unknown", None, None)',
        "Item(path.relative_to(root), GOOD, False)",
        _RECOGNISING,
    ),
    Mutation(
        "reader: defects in the training split are trained on",
        "rdpp/data/readers/dagm.py",
        "for item in _items(root, root / category / _TRAIN) if not item.label)",
        "for item in _items(root, root / category / _TRAIN))",
        _READERS,
    ),
    Mutation(
        "reader: Kolektor's images are good whatever their masks show",
        "rdpp/data/readers/kolektor.py",
        "if _shows_defect(mask):",
        "if False:",
        _READERS,
    ),
    Mutation(
        "reader: files that a list names may be missing",
        "rdpp/data/readers/listed.py",
        "    if missing:",
        "    if False:",
        _RECOGNISING,
    ),
    Mutation(
        "reader: images of a folder are trained and tested on",
        "rdpp/data/readers/folder.py",
        "for path in good if path not in tested)",
        "for path in good)",
        _READERS,
    ),
    Mutation(
        "reader: the first of several layouts that fit is taken",
        "rdpp/data/recognising.py",
        "if len(found) > 1:",
        "if False:",
        _RECOGNISING,
    ),
    Mutation(
        "reader: the key has the word auto",
        "rdpp/engine/resolving.py",
        "reader=name_of(reader),",
        "reader=experiment.data.reader,",
        "tests/engine/test_spec.py",
    ),
    Mutation(
        "reader: a mask of the image's own name comes first",
        "rdpp/data/readers/mask_names.py",
        "_FAMILY = (0, 0, 1, 1, 2, 2)",
        "_FAMILY = (1, 1, 0, 0, 2, 2)",
        _READERS,
    ),
    Mutation(
        "reader: a mask goes to the image with the shortest name",
        "rdpp/data/readers/mask_names.py",
        "return max(fitting",
        "return min(fitting",
        _READERS,
    ),
    Mutation(
        "reader: images of two folders share a mask",
        "rdpp/data/readers/mask_names.py",
        "if other.parent != image.parent:",
        "if False:",
        _READERS,
    ),
    Mutation(
        "listing: a named pipe is an image",
        "rdpp/data/listing.py",
        "if not stat.S_ISREG(found.st_mode):",
        "if False:",
        "tests/data/test_listing.py",
    ),
    Mutation(
        "listing: folders in folders are not read",
        "rdpp/data/listing.py",
        "yield from _walk(path, (*above, here))",
        "pass",
        "tests/data/test_listing.py",
    ),
    Mutation(
        "decoding: 16 bits are cut off at 255",
        _DECODING,
        "values = raw.values.astype(np.float32) / np.float32(raw.white)",
        "values = raw.values.clip(0, 255).astype(np.float32) / np.float32(255)",
        _DECODING_TEST,
    ),
    Mutation(
        "decoding: the low bytes of 16-bit colours are lost",
        _DECODING,
        "values = 256 * high + low",
        "values = 257 * high",
        _DECODING_TEST,
    ),
    Mutation(
        "decoding: EXIF's orientation is not looked at",
        _DECODING,
        "return found if found in _UPRIGHT else 1",
        "return 1",
        _DECODING_TEST,
    ),
    Mutation(
        "decoding: values above white pass", _DECODING, "if high > raw.white + slack:", "if False:", _DECODING_TEST
    ),
    Mutation(
        "decoding: the setting of the white is not looked at",
        _DECODING,
        "if reading.white is not None and deep",
        "if False and deep",
        _DECODING_TEST,
    ),
    Mutation(
        "masks: two values are cut at a half",
        _MASKS,
        "return values == levels[1] if len(levels) == 2 else values != 0",
        "return values >= raw.white / 2",
        _MASKS_TEST,
    ),
    Mutation("masks: labels of a JPEG count", _MASKS, '_LOSSY = ("JPEG", "MPO")', "_LOSSY = ()", _MASKS_TEST),
    Mutation("masks: an antialiased mask is labels", _MASKS, "MOST_LABELS = 16", "MOST_LABELS = 999", _MASKS_TEST),
    Mutation(
        "masks: colours count by their smallest channel",
        _MASKS,
        "values = colours.max(2)",
        "values = colours.min(2)",
        _MASKS_TEST,
    ),
    Mutation(
        "cache: another way of reading has the same key",
        "rdpp/data/cache.py",
        'how = f"{_FORMAT} {reading.white} {reading.mask_threshold} {reading.fit}"',
        "how = _FORMAT",
        _CACHE,
    ),
    Mutation(
        "category: some masks may be missing",
        "rdpp/data/category.py",
        "if missing and len(missing) < len(defective):",
        "if False:",
        _READERS,
    ),
    Mutation(
        "notes: vanished masks are not told",
        "rdpp/data/split.py",
        "self._without_pixels(lambda pixels: pixels > 0)",
        "self._without_pixels(lambda pixels: pixels < 0)",
        "tests/engine/test_preparing.py",
    ),
    Mutation(
        "padding: a defect is drawn across it",
        "rdpp/data/held_out.py",
        "box = (0, 0, *good.masks.shape[1:]) if good.boxes is None else good.boxes[row]",
        "box = (0, 0, *good.masks.shape[1:])",
        "tests/engine/test_padded_run.py",
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
        "rdpp/data/split.py",
        "{self.key}, {name}",
        "{self.key}",
        "tests/data/test_held_out.py",
    ),
]
