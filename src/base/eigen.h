// The one include of Eigen, for dense factorizations. Folders that use it link Eigen3::Eigen in their extra.cmake.
#pragma once

#include <Eigen/Dense>
