set_source_files_properties(${CMAKE_SOURCE_DIR}/src/pipelines/loaded_model.cc PROPERTIES
  COMPILE_DEFINITIONS NIBBLE_MODEL_FOLDER="${CMAKE_SOURCE_DIR}/models")
