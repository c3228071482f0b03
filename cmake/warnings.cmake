add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wno-unused-parameter -Wno-missing-field-initializers)
if(NIBBLE_WERROR)
  add_compile_options(-Werror)
endif()
