import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_sizes


class CheckSizes(unittest.TestCase):
    def check(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
            return check_sizes.check(root)[:2]

    def test_lines_warn_and_are_refused(self):
        warnings, offences = self.check({"a.cc": "\n" * 400, "b.cc": "\n" * 401, "c.py": "\n" * 801, "d.md": "\n" * 900})
        self.assertEqual([w.split(":")[0] for w in warnings], ["b.cc"])
        self.assertEqual([o.split(":")[0] for o in offences], ["c.py"])

    def test_networks_have_their_own_limits(self):
        files = {"src/models/unet/unet.cc": "\n" * 500, "src/models/clip/clip.cc": "\n" * 151, "src/models/clip/clip_test.cc": "\n" * 151}
        _, offences = self.check(files)
        self.assertEqual(len(offences), 1, offences)
        self.assertIn("clip.cc: 151 lines, at most 150", offences[0])

    def test_long_functions_warn(self):
        body = "  f();\n" * 60
        text = (
            '#if defined(X)\n#define Y(a) \\\n  b\n#endif\nnamespace a {\nclass B {\n  int c = 0;\n  void d() const {\n' + body + "  }\n};\n"
            'void e(const char* brace = "{") {\n  if (x) {\n' + body + "  }\n}\n"
            "int table[] = {\n" + "  1,\n" * 70 + "};\nvoid g() {\n" + body[:70] + "}\n}  // namespace {\n"
        )
        warnings, offences = self.check({"a.cc": text})
        self.assertEqual(offences, [])
        self.assertEqual([w.split(":")[1] for w in warnings], ["8", "71"], warnings)

    def test_large_files_are_refused_but_the_built_in_weights(self):
        large = b"\0" * ((5 << 20) + 1)
        _, offences = self.check({"a.bin": large, "models/emoji/unet/model.safetensors": large})
        self.assertEqual([o.split(":")[0] for o in offences], ["a.bin"])

    def test_machine_paths_and_markers_are_refused(self):
        path, marker = "/wor" + "k/main/x", "TO" + "DO"
        _, offences = self.check({"a.md": f"see {path}\n", "b.cc": f"int a;\n// {marker}: later\n", "c.md": f"{marker}s\n"})
        self.assertEqual([o.rsplit(":", 1)[0] for o in offences], ["a.md:1", "b.cc:2"])


if __name__ == "__main__":
    unittest.main()
