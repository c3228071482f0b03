target_link_libraries(${target} PRIVATE Eigen3::Eigen)
