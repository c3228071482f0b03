import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import run

PROGRAM = """#!/bin/sh
case "$1" in
  --help) echo "Usage: nibble"; echo "  generate   draws" ;;
  copy) cp "$2" "$3" ;;
  name) echo "$NAME" ;;
  slow) echo x >> "$2"; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.01; done; echo done ;;
  meet) me=$OMPI_COMM_WORLD_RANK; you=$((1 - me)); : > "$2/$me"; until [ -e "$2/$you" ]; do sleep 0.01; done; echo "$me met $you" ;;
  rank) echo "$OMPI_COMM_WORLD_RANK"; exit "$OMPI_COMM_WORLD_RANK" ;;
  *) echo "nibble: unknown command '$1'" >&2; exit 2 ;;
esac
"""


class RunTest(unittest.TestCase):
    def verdict(self, text):
        """(exit status of the runner, what it printed)"""
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "program").write_text(PROGRAM)
            os.chmod(folder / "program", 0o755)
            (folder / "a.test").write_text(text)
            (folder / "work").mkdir()
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                status = run.Runner(str(folder / "program"), folder, folder / "work").run(folder / "a.test")
            return status, printed.getvalue()

    def assert_passes(self, text):
        status, printed = self.verdict(text)
        self.assertEqual(status, 0, printed)

    def assert_fails(self, text, word):
        status, printed = self.verdict(text)
        self.assertEqual(status, 1, printed)
        self.assertIn(word, printed)

    def test_lines_status_and_silence(self):
        self.assert_passes("# help\n$ nibble --help\nout ^Usage\nout generate +draws\nno err\n$ nibble x\nexit 2\nerr 'x'\nno out\n")
        self.assert_fails("$ nibble --help\nout generate\nout ^Usage\n", "no line matches")
        self.assert_fails("$ nibble x\nexit 3\n", "want 3 found 2")
        self.assert_fails("$ nibble x\nexit 2\nno err\n", "nothing may match")

    def test_an_unsaid_status_is_zero(self):
        self.assert_fails("$ nibble x\nerr unknown\n", "want 0 found 2")
        self.assert_fails("$ nibble x\n$ nibble --help\n", "want 0 found 2")

    def test_files(self):
        head = "write {tmp}/a some text\n$ nibble copy {tmp}/a {tmp}/b\n"
        self.assert_passes(head + "file {tmp}/b\nsame {tmp}/a {tmp}/b\nno file {tmp}/c\n")
        self.assert_passes(head + "truncate {tmp}/b 4\nno same {tmp}/a {tmp}/b\n")
        self.assert_fails(head + "no same {tmp}/a {tmp}/b\n", "are the same")
        self.assert_fails(head + "file {tmp}/c\n", "missing or empty")

    def test_environment(self):
        self.assert_passes("$ NAME=one nibble name\nout ^one$\n")

    def test_a_killed_command_is_given_again(self):
        text = "$ killed nibble slow {tmp}/a\nout ^done$\n"
        self.assert_passes(text)
        self.assertRegex(self.verdict(text)[1], r"killed [1-9]\d* times, seed \d+")

    def test_ranks_run_side_by_side(self):
        self.assert_passes("$ ranks 2 nibble meet {tmp}\nout ^0 met 1$\n")
        self.assert_fails("$ ranks 2 nibble rank\nout ^0$\n", "process 1 of 2 ended with status 1")

    def test_needs_skips(self):
        self.assertEqual(self.verdict("needs no/such\n$ nibble x\n")[0], run.SKIPPED)

    def test_a_bad_file_fails(self):
        self.assert_fails("# nothing\n", "0 commands")
        self.assert_fails("out x\n", "before the first command")
        self.assert_fails("$ nibble --help\nmaybe x\n", "unknown expectation")
        self.assert_fails("$ rm x\n", "starts with nibble")


if __name__ == "__main__":
    unittest.main()
