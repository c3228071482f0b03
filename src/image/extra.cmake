target_include_directories(${target} PRIVATE ${WEBP_INCLUDE})
target_link_libraries(${target} PRIVATE PNG::PNG JPEG::JPEG ${WEBP_LIBRARY})
