// One program started several times over to share its work: what mpirun (Open MPI, MPICH), or Slurm says of it in the environment. The
// processes meet in files only, so no MPI library is needed; on several machines they need a common folder.
#pragma once

namespace nibble {

struct Ranks {
  int rank = 0, size = 1;
  int local_size = 1;  // processes on this machine
  bool first() const { return rank == 0; }
};

// Throws Error{InvalidArgument} for a rank outside of its size.
Ranks ranks_from_environment();

}  // namespace nibble
