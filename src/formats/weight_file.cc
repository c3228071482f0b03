#include "formats/weight_file.h"

#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "formats/model_folder.h"
#include "formats/weight_table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

bool starts_with(std::span<const std::byte> bytes, std::string_view prefix) {
  return bytes.size() >= prefix.size() && std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
}

// Copies a strided tensor into reading order, one innermost row at a time.
template <typename T>
void gather(const T* from, const Shape& shape, std::span<const int64_t> strides, T* to) {
  const int rank = shape.rank();
  const int64_t row = rank == 0 ? 1 : shape[-1], step = rank == 0 ? 1 : strides.back();
  int64_t position[Shape::kMaxRank] = {};
  for (int64_t done = 0; done < shape.count(); done += row) {
    int64_t offset = 0;
    for (int i = 0; i + 1 < rank; ++i) offset += position[i] * strides[static_cast<size_t>(i)];
    for (int64_t i = 0; i < row; ++i) to[done + i] = from[offset + i * step];
    for (int i = rank - 2; i >= 0 && ++position[i] == shape[i]; --i) position[i] = 0;
  }
}

Tensor gathered(const StoredTensor& t) {
  Tensor out = Tensor::zeros(t.info.dtype, t.info.shape);
  switch (bytes_of(t.info.dtype)) {
    case 1:
      gather(reinterpret_cast<const uint8_t*>(t.data), t.info.shape, t.strides,
             static_cast<uint8_t*>(out.mutable_data()));
      break;
    case 2:
      gather(reinterpret_cast<const uint16_t*>(t.data), t.info.shape, t.strides,
             static_cast<uint16_t*>(out.mutable_data()));
      break;
    case 4:
      gather(reinterpret_cast<const uint32_t*>(t.data), t.info.shape, t.strides,
             static_cast<uint32_t*>(out.mutable_data()));
      break;
    default:
      gather(reinterpret_cast<const uint64_t*>(t.data), t.info.shape, t.strides,
             static_cast<uint64_t*>(out.mutable_data()));
      break;
  }
  return out;
}

Tensor load(const StoredTensor& t) {
  const bool aligned = reinterpret_cast<uintptr_t>(t.data) % bytes_of(t.info.dtype) == 0;
  if (aligned && t.strides.empty()) return Tensor::view(t.info.dtype, t.info.shape, t.data, t.file);
  if (aligned) return gathered(t);
  if (!t.strides.empty())
    fail(ErrorCode::Unsupported,
         "file {}: a tensor of shape {} is strided and misaligned; save it again with a recent torch",
         t.file->path().string(), to_string(t.info.shape));
  Tensor copy = Tensor::zeros(t.info.dtype, t.info.shape);
  if (copy.bytes() > 0) std::memcpy(copy.mutable_data(), t.data, copy.bytes());
  return copy;
}

[[noreturn]] void fail_unknown(const MappedFile& file) {
  const auto bytes = file.bytes();
  const std::string name = file.path().string();
  if (bytes.empty()) fail(ErrorCode::Corrupt, "file {}: is empty; download it again", name);
  if (starts_with(bytes, "version https://git-lfs"))
    fail(ErrorCode::Corrupt, "file {}: is a Git LFS pointer, not the weights; fetch them with `git lfs pull`", name);
  if (starts_with(bytes, "<"))
    fail(ErrorCode::Corrupt, "file {}: is a web page, not weights; the download went wrong, repeat it", name);
  if (starts_with(bytes, "GGUF"))
    fail(ErrorCode::Unsupported, "file {}: GGUF is not supported; want safetensors", name);
  fail(ErrorCode::Corrupt,
       "file {}: want safetensors, a torch pickle (.pt, .pth, .ckpt, .bin) or npy, found none of them; "
       "it may be damaged, download it again",
       name);
}

// A safetensors file starts with the header's length (8 bytes, little endian), then '{'.
bool looks_like_safetensors(std::span<const std::byte> bytes, const fs::path& path) {
  if (bytes.size() > 8 && bytes[8] == std::byte{'{'}) return true;
  return !bytes.empty() && path.extension() == ".safetensors" && !starts_with(bytes, "version https://") &&
         !starts_with(bytes, "<");
}

WeightTable read_file_of_any_kind(const FilePtr& file) {
  const auto bytes = file->bytes();
  if (starts_with(bytes, "PK\x03\x04")) return read_torch_zip(file);
  if (starts_with(bytes, "\x93NUMPY")) return read_npy(file);
  if (starts_with(bytes, "\x80\x02") && file->path().extension() != ".safetensors") return read_torch_legacy(file);
  if (starts_with(bytes, "{") && file->path().extension() == ".json") return read_safetensors_index(file->path());
  if (looks_like_safetensors(bytes, file->path())) return read_safetensors(file);
  fail_unknown(*file);
}

}  // namespace

struct WeightFile::State {
  fs::path path;
  std::string format;
  std::vector<TensorInfo> infos;
  std::vector<StoredTensor> stored;  // same order; the names are in `infos`
  std::unordered_map<std::string_view, size_t> index;
  Metadata metadata;
  size_t bytes = 0;

  const StoredTensor* find(std::string_view name) const {
    const auto found = index.find(name);
    return found == index.end() ? nullptr : &stored[found->second];
  }
};

WeightFile::WeightFile(WeightTable table) {
  auto state = std::make_shared<State>();
  state->path = std::move(table.path);
  state->format = std::move(table.format);
  state->metadata = std::move(table.metadata);
  state->stored = std::move(table.tensors);
  state->infos.reserve(state->stored.size());
  for (StoredTensor& t : state->stored) {
    state->infos.push_back({std::move(t.info.name), t.info.dtype, t.info.shape});
    state->bytes += t.info.bytes();
  }
  for (size_t i = 0; i < state->infos.size(); ++i)
    if (!state->index.emplace(state->infos[i].name, i).second)
      fail(ErrorCode::Corrupt, "file {}: tensor {} appears twice", state->path.string(), state->infos[i].name);
  state_ = std::move(state);
}

const fs::path& WeightFile::path() const { return state_->path; }
const std::string& WeightFile::format() const { return state_->format; }
const std::vector<TensorInfo>& WeightFile::tensors() const { return state_->infos; }
const Metadata& WeightFile::metadata() const { return state_->metadata; }
size_t WeightFile::bytes() const { return state_->bytes; }

const TensorInfo* WeightFile::info(std::string_view name) const {
  const auto found = state_->index.find(name);
  return found == state_->index.end() ? nullptr : &state_->infos[found->second];
}

std::optional<Tensor> WeightFile::find(std::string_view name) const {
  const StoredTensor* t = state_->find(name);
  if (t == nullptr) return std::nullopt;
  return load(*t);
}

Tensor WeightFile::get(std::string_view name) const {
  const StoredTensor* t = state_->find(name);
  if (t == nullptr)
    fail(ErrorCode::NotFound, "file {}: has no tensor {} among its {}", state_->path.string(), name,
         state_->infos.size());
  return load(*t);
}

void WeightFile::drop_pages() const {
  for (const StoredTensor& t : state_->stored) t.file->drop_pages(t.data, t.info.bytes());
}

void WeightFile::drop_pages(std::string_view name) const {
  if (const StoredTensor* t = state_->find(name)) t->file->drop_pages(t->data, t->info.bytes());
}

Shape checked_shape(std::span<const int64_t> dims, DType dtype, const std::string& where) {
  if (dims.size() > static_cast<size_t>(Shape::kMaxRank))
    fail(ErrorCode::Unsupported, "{}: has {} dimensions, want at most {}", where, dims.size(), Shape::kMaxRank);
  // Zero dimensions do not hide an overflow of the others: 2^61 bytes leave room for every later product.
  constexpr int64_t kMaxBytes = int64_t{1} << 61;
  int64_t bytes = static_cast<int64_t>(bytes_of(dtype));
  for (const int64_t dim : dims) {
    if (dim < 0) fail(ErrorCode::Corrupt, "{}: dimension {} is negative", where, dim);
    if (dim > 0 && bytes > kMaxBytes / dim)
      fail(ErrorCode::Corrupt, "{}: shape [{}] is larger than any memory", where, fmt::join(dims, ", "));
    if (dim > 0) bytes *= dim;
  }
  return Shape(dims);
}

WeightFile open_weights(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    const std::optional<fs::path> file = find_weight_file(path);
    if (!file)
      fail(ErrorCode::NotFound, "folder {}: holds no weights; want {}", path.string(), describe_weight_files());
    return open_weights(*file);
  }
  return WeightFile(read_file_of_any_kind(MappedFile::open(path)));
}

}  // namespace nibble
