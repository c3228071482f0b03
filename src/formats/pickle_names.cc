#include "formats/pickle_names.h"

#include <algorithm>

namespace nibble {
namespace {

struct StorageClass {
  const char* name;
  DType dtype;
};
constexpr StorageClass kStorageClasses[] = {
    {"torch.FloatStorage", DType::F32},  {"torch.HalfStorage", DType::F16}, {"torch.BFloat16Storage", DType::BF16},
    {"torch.DoubleStorage", DType::F64}, {"torch.LongStorage", DType::I64}, {"torch.IntStorage", DType::I32},
    {"torch.ShortStorage", DType::I16},  {"torch.CharStorage", DType::I8},  {"torch.ByteStorage", DType::U8},
    {"torch.BoolStorage", DType::Bool},
};

// Called by REDUCE and read here; nothing else has a meaning.
constexpr const char* kKnownCalls[] = {
    "collections.OrderedDict",         "collections.defaultdict",      "torch.Size",
    "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor", "torch._utils._rebuild_parameter"};

// Training leftovers that lie beside the tensors of published checkpoints; they become values without content.
constexpr const char* kInertNames[] = {"_codecs.encode", "builtins.set",       "__builtin__.set", "collections.Counter",
                                       "typing.Any",     "argparse.Namespace", "torch.device",    "torch.float32",
                                       "torch.float16",  "torch.bfloat16"};
constexpr const char* kInertModules[] = {"pytorch_lightning.", "lightning.", "lightning_fabric.", "numpy.",
                                         "omegaconf.", "torch.jit._pickle."};

}  // namespace

std::optional<DType> pickled_storage_dtype(std::string_view name) {
  for (const StorageClass& row : kStorageClasses)
    if (name == row.name) return row.dtype;
  return std::nullopt;
}

bool is_known_in_pickles(std::string_view name) {
  return std::ranges::any_of(kKnownCalls, [&](const char* call) { return name == call; }) ||
         pickled_storage_dtype(name).has_value() || is_script_class(name);
}

bool is_script_class(std::string_view name) { return name.starts_with("__torch__."); }

bool is_inert_in_pickles(std::string_view name) {
  return std::ranges::any_of(kInertNames, [&](const char* inert) { return name == inert; }) ||
         std::ranges::any_of(kInertModules, [&](const char* module) { return name.starts_with(module); });
}

}  // namespace nibble
