"""The codec against `protocol/vectors.json`, which the TypeScript side is tested against too."""
import json
import os
import random
import re
import unittest

from parallelrun_host.frames import (
    BODY_BYTES_MAX, HEADER_BYTES_MAX, FrameDecoder, FrameError, frame, frame_of_text, from_json, to_json,
)

from .make_vectors import VECTORS

PROTOCOL = os.path.join(os.path.dirname(os.path.dirname(VECTORS)), "src", "domain", "protocol.ts")


def load():
    with open(VECTORS, encoding="ascii") as file:
        return json.load(file)


class Vectors(unittest.TestCase):
    def setUp(self):
        self.good = [entry for entry in load() if "frameHex" in entry]
        self.broken = [entry for entry in load() if "brokenHex" in entry]
        self.assertGreater(len(self.good), 30)
        self.assertGreater(len(self.broken), 10)

    def test_decodes_each(self):
        for entry in self.good:
            with self.subTest(entry["name"]):
                decoder = FrameDecoder()
                frames = decoder.feed(bytes.fromhex(entry["frameHex"]))
                self.assertEqual(frames, [(entry["header"], bytes.fromhex(entry.get("bodyHex", "")))])
                self.assertEqual(decoder.pending, 0)

    def test_encodes_what_decodes_to_the_same(self):
        for entry in self.good:
            with self.subTest(entry["name"]):
                body = bytes.fromhex(entry.get("bodyHex", ""))
                data = frame(entry["header"], body)
                header_bytes = int.from_bytes(data[:4], "little")
                self.assertEqual(int.from_bytes(data[4:8], "little"), len(body))
                self.assertEqual(len(data), 8 + header_bytes + len(body))
                self.assertTrue(all(byte < 128 for byte in data[8:8 + header_bytes]))
                self.assertEqual(FrameDecoder().feed(data), [(entry["header"], body)])

    def test_refuses_each_broken_frame(self):
        for entry in self.broken:
            with self.subTest(entry["name"]):
                with self.assertRaises(FrameError):
                    FrameDecoder().feed(bytes.fromhex(entry["brokenHex"]))

    def test_every_message_of_the_contract_has_a_vector(self):
        with open(PROTOCOL, encoding="utf-8") as file:
            declared = re.findall(r"readonly m: '([a-z-]+)'", file.read())
        self.assertEqual(len(declared), 13)
        kinds = {entry["header"]["m"] for entry in self.good}
        self.assertEqual(kinds, set(declared))

    def test_any_cutting_of_the_stream_gives_the_same_frames(self):
        stream = b"".join(bytes.fromhex(entry["frameHex"]) for entry in self.good)
        expected = FrameDecoder().feed(stream)
        self.assertEqual(len(expected), len(self.good))
        chooser = random.Random(7)
        for _ in range(60):
            decoder = FrameDecoder()
            frames = []
            at = 0
            while at < len(stream):
                step = chooser.choice((1, 2, 7, 8, 9, 100, 1000, 5000))
                frames += decoder.feed(stream[at:at + step])
                at += step
            self.assertEqual(frames, expected)
            self.assertEqual(decoder.pending, 0)


class Limits(unittest.TestCase):
    def test_header_at_its_limit_and_beyond(self):
        text = '{"m":"' + "x" * (HEADER_BYTES_MAX - 8) + '"}'
        self.assertEqual(len(text), HEADER_BYTES_MAX)
        ((header, body),) = FrameDecoder().feed(frame_of_text(text))
        self.assertEqual((len(header["m"]), body), (HEADER_BYTES_MAX - 8, b""))
        with self.assertRaises(FrameError):
            frame_of_text(text + " ")

    def test_body_at_its_limit_is_waited_for(self):
        decoder = FrameDecoder()
        prefix = (12).to_bytes(4, "little") + BODY_BYTES_MAX.to_bytes(4, "little") + b'{"m":"done"}'
        self.assertEqual(decoder.feed(prefix), [])
        self.assertEqual(decoder.pending, len(prefix))

    def test_deep_json_is_a_broken_frame(self):
        text = b'{"m":' + b"[" * 200000 + b"]" * 200000 + b"}"
        with self.assertRaises(FrameError):
            FrameDecoder().feed(len(text).to_bytes(4, "little") + bytes(4) + text)

    def test_json_never_holds_nan(self):
        for value in (float("nan"), float("inf"), -float("inf")):
            with self.assertRaises(ValueError):
                to_json({"w": value})

    def test_white_space_around_json(self):
        self.assertEqual(from_json(b' {"a": 1}\n'), {"a": 1})
        with self.assertRaises(ValueError):
            from_json(b"")
