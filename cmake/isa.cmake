# Kernel sources are named <kernel>_<isa>.cc; each is compiled with its own flags and left out on other processors.
# -fno-tree-pre keeps GCC 12 from filling unrolled accumulator tiles with register copies.
# On AArch64 GCC 12 gathers the loads of such a tile at its head and then spills; -fno-schedule-insns leaves them in place.
# GCC 12 reports its own AVX-512 headers as reading uninitialized operands.
# Clang needs none of this; it refuses the first and warns of the second.
set(NIBBLE_X86_ISAS avx2 avxvnni avx512 avx512vnni avx512bf16)
set(NIBBLE_ARM_ISAS neon dotprod i8mm)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(NIBBLE_TILES -fno-tree-pre)
  set(NIBBLE_LOADS -fno-schedule-insns)
  set(NIBBLE_HEADERS -Wno-maybe-uninitialized -Wno-uninitialized)
endif()
set(NIBBLE_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(NIBBLE_FLAGS_avx512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl ${NIBBLE_HEADERS})
set(NIBBLE_FLAGS_avxvnni ${NIBBLE_FLAGS_avx2} -mavxvnni)
set(NIBBLE_FLAGS_avx512vnni ${NIBBLE_FLAGS_avx512} -mavx512vnni)
set(NIBBLE_FLAGS_avx512bf16 ${NIBBLE_FLAGS_avx512} -mavx512vnni -mavx512bf16)
set(NIBBLE_FLAGS_neon ${NIBBLE_LOADS})
set(NIBBLE_FLAGS_dotprod -march=armv8.2-a+dotprod ${NIBBLE_LOADS})
set(NIBBLE_FLAGS_i8mm -march=armv8.2-a+dotprod+i8mm ${NIBBLE_LOADS})

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(NIBBLE_FOREIGN_ISAS ${NIBBLE_ARM_ISAS})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(NIBBLE_FOREIGN_ISAS ${NIBBLE_X86_ISAS})
else()
  set(NIBBLE_FOREIGN_ISAS ${NIBBLE_X86_ISAS} ${NIBBLE_ARM_ISAS})
endif()

macro(nibble_filter_isa list_name)
  foreach(isa ${NIBBLE_FOREIGN_ISAS})
    list(FILTER ${list_name} EXCLUDE REGEX "_${isa}\\.cc$")
  endforeach()
endmacro()

function(nibble_set_isa_flags sources)
  foreach(source ${sources})
    foreach(isa ${NIBBLE_X86_ISAS} ${NIBBLE_ARM_ISAS})
      if(source MATCHES "_${isa}\\.cc$")
        set_source_files_properties(${source} PROPERTIES
          COMPILE_OPTIONS "-O2;${NIBBLE_TILES};-fno-math-errno;-ffp-contract=fast;${NIBBLE_FLAGS_${isa}}")
      endif()
    endforeach()
    if(source MATCHES "/kernels/.*_scalar\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-O2;-ffp-contract=off")
    endif()
  endforeach()
endfunction()
