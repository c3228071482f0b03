# diffusers' arithmetic rounds every product; Arm compilers would fuse products and sums.
target_compile_options(${target} PRIVATE -ffp-contract=off)
