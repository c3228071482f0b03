#include "base/error.h"

namespace nibble {
namespace {

constexpr ErrorInfo kErrors[] = {
    {ErrorCode::InvalidArgument, "invalid_argument", 2}, {ErrorCode::NotFound, "not_found", 3},
    {ErrorCode::Corrupt, "corrupt", 4},                  {ErrorCode::Unsupported, "unsupported", 5},
    {ErrorCode::OutOfMemory, "out_of_memory", 6},        {ErrorCode::Io, "io", 7},
    {ErrorCode::Cancelled, "cancelled", 130},            {ErrorCode::Internal, "internal", 70},
};

}  // namespace

const ErrorInfo& error_info(ErrorCode code) { return kErrors[static_cast<int>(code)]; }

void fail_message(ErrorCode code, const std::string& message) { throw Error(code, message); }

}  // namespace nibble
