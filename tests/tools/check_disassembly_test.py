import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_disassembly


class CheckDisassembly(unittest.TestCase):
    def test_innermost_loops_of_nested_jumps(self):
        body = [(0, "nop"), (4, "vfmadd231ps %ymm1,%ymm2,%ymm3"), (8, "jne 4 <f+0x4>"), (12, "jg 0 <f>"), (16, "jmp 20 <f+0x20>")]
        self.assertEqual(list(check_disassembly.innermost_loops(body)), [[body[1][1], body[2][1]]])

    def test_loops_of_arm(self):
        body = [(0, "fmla v22.4s, v19.4s, v17.s[0]"), (4, "cbnz x1, 0 <f>"), (8, "b.ne 8 <f+0x8>")]
        self.assertEqual(len(list(check_disassembly.innermost_loops(body))), 2)

    def test_judges_instructions(self):
        counts = {
            "vfmadd231ps %zmm1,%zmm2,%zmm26": (1, 0, 0),
            "vfmadd213ps -0x18(%rsp),%ymm0,%ymm2": (1, 0, 1),
            "vdpbf16ps %zmm1,%zmm2,%zmm3": (1, 0, 0),
            "{vex} vpdpbusd %ymm2,%ymm1,%ymm14": (1, 0, 0),
            "vpdpbusd %zmm2,%zmm1,%zmm14": (1, 0, 0),
            "vpmaddwd %ymm0,%ymm1,%ymm2": (1, 0, 0),
            "sdot v21.4s, v0.16b, v1.4b[1]": (1, 0, 0),
            "smmla v21.4s, v0.16b, v1.16b": (1, 0, 0),
            "vmovaps %ymm3,%ymm4": (0, 1, 0),
            "vmovaps %ymm3,-0x58(%rsp)": (0, 0, 1),
            "vmovups 0x20(%rdx),%ymm0": (0, 0, 0),
            "mov -0x60(%rsp),%rax": (0, 0, 0),
            "fmla v21.4s, v0.4s, v1.s[1]": (1, 0, 0),
            "mov v19.16b, v21.16b": (0, 1, 0),
            "ldr q2, [sp, #48]": (0, 0, 1),
            "ldp q2, q0, [x1, #32]": (0, 0, 0),
        }
        for instruction, expected in counts.items():
            self.assertEqual(check_disassembly.judge([instruction]), expected, instruction)


if __name__ == "__main__":
    unittest.main()
