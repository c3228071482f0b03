#pragma once

// Before a loop whose arrays shall live in registers: GCC at -O2 does not unroll it by itself.
#define NIBBLE_UNROLL _Pragma("GCC unroll 16")
