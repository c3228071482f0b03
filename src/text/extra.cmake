target_include_directories(${target} PRIVATE ${UTF8PROC_INCLUDE})
target_link_libraries(${target} PRIVATE ${UTF8PROC_LIBRARY})

# The packaged vocabulary is placed into this object by the assembler.
set(clip_vocabulary ${CMAKE_SOURCE_DIR}/data/clip/bpe_simple_vocab_16e6.txt.gz)
set_source_files_properties(${folder}/clip_vocabulary.cc PROPERTIES
  COMPILE_DEFINITIONS "NIBBLE_CLIP_VOCABULARY=\"${clip_vocabulary}\"" OBJECT_DEPENDS ${clip_vocabulary})
