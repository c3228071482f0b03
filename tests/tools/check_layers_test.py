import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_layers

LAYERS = "# level folder [may also include]\n0 base\n1 tensor\n2 text formats\n2 formats\n10 capi\n"


class CheckLayers(unittest.TestCase):
    def offences(self, files, layers=LAYERS):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {"src/layers.txt": layers, **files}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return check_layers.check(root)[0]

    def assert_one(self, offences, *words):
        self.assertEqual(len(offences), 1, offences)
        for word in words:
            self.assertIn(word, offences[0])

    def test_lower_own_and_listed_folders_are_allowed(self):
        files = {
            "src/base/error.h": "#pragma once\n#include <string>\n#include <sys/mman.h>\n#include <immediate>\n",
            "src/tensor/shape.h": '#include "base/error.h"\n',
            "src/tensor/tensor.h": '#include "tensor/shape.h"\n',
            "src/formats/file.h": '#include "tensor/tensor.h"\n',
            "src/text/bpe.cc": '#include "formats/file.h"\n',
        }
        self.assertEqual(self.offences(files), [])

    def test_an_upper_folder_is_refused(self):
        files = {"src/base/error.h": '\n#include "tensor/shape.h"\n', "src/tensor/shape.h": ""}
        self.assert_one(self.offences(files), "src/base/error.h:2", "base (level 0)", "tensor (level 1)")

    def test_an_unlisted_folder_of_the_same_level_is_refused(self):
        files = {"src/formats/file.h": '#include "text/bpe.h"\n', "src/text/bpe.h": ""}
        self.assert_one(self.offences(files), "formats (level 2)", "text (level 2)")

    def test_a_missing_header_and_a_path_beside_are_refused(self):
        files = {"src/base/error.cc": '#include "error.h"\n', "src/base/error.h": ""}
        self.assert_one(self.offences(files), '"error.h"', "paths start at src/")

    def test_a_folder_without_a_row_is_refused(self):
        files = {"src/lost/a.h": '#include "base/error.h"\n', "src/base/error.h": ""}
        self.assert_one(self.offences(files), "src/lost/a.h:1", "no row")

    def test_an_include_in_a_comment_does_not_count(self):
        files = {"src/base/a.h": '// #include "tensor/b.h"\n/*\n#include "tensor/b.h"\n*/\n', "src/tensor/b.h": ""}
        self.assertEqual(self.offences(files), [])

    def test_a_library_belongs_to_one_file(self):
        one = {
            "src/base/json.h": "#include <nlohmann/json.hpp>\n",
            "src/base/a_test.cc": "#include <nlohmann/json.hpp>\n",
            "src/base/test_data.h": "#include <gtest/gtest.h>\n",
            "src/tensor/test_data.h": "#include <gtest/gtest.h>\n",
        }
        self.assertEqual(self.offences(one), [])
        two = {**one, "src/tensor/tensor.cc": "#include <nlohmann/json_fwd.hpp>\n"}
        self.assert_one(self.offences(two), "<nlohmann>", "src/base/json.h:1", "src/tensor/tensor.cc:1")

    def test_intrinsics_stay_in_kernels(self):
        layers = LAYERS + "2 kernels\n"
        files = {"src/kernels/gemm/gemm_avx2.cc": "#include <immintrin.h>\n", "src/tensor/f16.cc": "#include <immintrin.h>\n"}
        self.assert_one(self.offences(files, layers), "src/tensor/f16.cc:1", "intrinsics")

    def test_the_program_stays_below_the_c_api_and_others_use_only_it(self):
        files = {
            "include/nibble/nibble.h": "",
            "src/base/error.h": "",
            "src/capi/handle.h": "",
            "apps/cli/main.cc": '#include "apps/cli/command.h"\n#include "base/error.h"\n#include "capi/handle.h"\n',
            "apps/cli/command.h": "",
            "tests/fuzz/fuzz.h": '#include "base/error.h"\n',
            "tests/fuzz/fuzz_a.cc": '#include "fuzz.h"\n',
            "tests/capi/use.c": '#include "nibble/nibble.h"\n#include "base/error.h"\n',
        }
        found = self.offences(files)
        self.assertEqual(len(found), 2, found)
        self.assertIn("apps/cli/main.cc:3", found[0])
        self.assertIn("tests/capi/use.c:2", found[1])

    def test_files_that_include_each_other_are_refused(self):
        files = {"src/base/a.h": '#include "base/b.h"\n', "src/base/b.h": '#include "base/a.h"\n'}
        self.assert_one(self.offences(files), "base/a.h -> base/b.h -> base/a.h")

    def test_folders_that_list_each_other_are_refused_once_they_include_each_other(self):
        layers = "2 text formats\n2 formats text\n"
        files = {"src/formats/a.h": '#include "text/b.h"\n', "src/text/b.h": "", "src/text/c.h": '#include "formats/a.h"\n'}
        self.assert_one(self.offences(files, layers), "folders", "formats -> text -> formats")

    def test_a_type_has_one_header(self):
        one = {"src/base/a.h": "namespace nibble {\nstruct Prompt {\n};\n}\n", "src/base/b.h": "namespace nibble::b {\nstruct Prompt {\n};\n}\n"}
        self.assertEqual(self.offences(one), [])
        two = {**one, "src/tensor/c.h": "namespace nibble {\nclass Prompt : public Text {\n};\n}\n"}
        self.assert_one(self.offences(two), "nibble::Prompt", "src/base/a.h:2", "src/tensor/c.h:2")

    def test_a_row_that_lists_another_level_is_refused(self):
        self.assert_one(self.offences({}, "0 base\n1 tensor base\n"), "tensor lists base")


if __name__ == "__main__":
    unittest.main()
