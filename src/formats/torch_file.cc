// torch.save files: a zip with data.pkl and one entry per storage, or the legacy stream of pickles followed by
// storages. Of a TorchScript program the tensors of its modules are read, its code is passed over.
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/pickle.h"
#include "formats/weight_table.h"
#include "formats/zip.h"

namespace nibble {
namespace {

using Storages = std::unordered_map<std::string_view, std::span<const std::byte>>;

constexpr size_t kMaxPickle = 64'000'000, kMaxNameBytes = 32'000'000;
constexpr int kMaxDepth = 32;

// Elements that a tensor spans in its storage, first to last: 1 + sum (dim - 1) · stride. Fails when outside.
StoredTensor locate(const PickledTensor& t, const Storages& storages, std::string name, const FilePtr& file) {
  const std::string where = format("file {}: tensor {}", file->path().string(), name);
  const auto found = storages.find(t.storage.key);
  if (found == storages.end())
    fail(ErrorCode::Corrupt, "{}: its storage {} is missing; download the file again", where, t.storage.key);
  const int64_t held = static_cast<int64_t>(found->second.size() / bytes_of(t.storage.dtype));
  if (held < t.storage.count)
    fail(ErrorCode::Corrupt, "{}: storage {} wants {} elements, found {}; download the file again", where,
         t.storage.key, t.storage.count, held);
  const Shape shape = checked_shape(t.shape, t.storage.dtype, where);
  if (t.strides.size() != t.shape.size() || t.offset < 0 || t.offset > held)
    fail(ErrorCode::Corrupt, "{}: strides or offset do not fit shape {}", where, to_string(shape));

  const bool empty = shape.count() == 0;
  int64_t last = t.offset, contiguous = 1;
  bool strided = false;
  for (int i = shape.rank() - 1; i >= 0 && !empty; --i) {
    const int64_t stride = t.strides[static_cast<size_t>(i)], steps = shape[i] - 1;
    if (stride < 0 || (steps > 0 && stride > (held - last) / steps))
      fail(ErrorCode::Corrupt, "{}: shape {} with strides [{}] leaves its storage of {} elements", where,
           to_string(shape), fmt::join(t.strides, ", "), held);
    last += stride * steps;
    strided |= steps > 0 && stride != contiguous;
    contiguous *= shape[i];
  }
  if (!empty && last >= held)
    fail(ErrorCode::Corrupt, "{}: shape {} leaves its storage of {} elements", where, to_string(shape), held);
  if (shape.count() > held)
    fail(ErrorCode::Unsupported, "{}: shape {} repeats a storage of {} elements; save a contiguous copy", where,
         to_string(shape), held);
  const std::byte* data = found->second.data() + static_cast<size_t>(t.offset) * bytes_of(t.storage.dtype);
  return {{std::move(name), t.storage.dtype, shape}, data, strided ? t.strides : std::vector<int64_t>{}, file};
}

// Walks the values, naming tensors by the keys on their path joined with dots. Depth and visits are bounded because
// values may be shared or cyclic.
class Walk {
 public:
  Walk(const Pickle& pickle, const Storages& storages, const FilePtr& file, WeightTable& table)
      : pickle_(pickle), storages_(storages), file_(file), table_(table) {}

  void visit(PickleId id, const std::string& name, int depth) {
    if (depth > kMaxDepth) bad(format("values nested deeper than {} levels", kMaxDepth));
    if (++visits_ > 4 * kMaxTensors) bad("holds too many values");
    const PickleValue& value = pickle_[id];
    switch (value.kind) {
      case PickleKind::Tensor:
        if (table_.tensors.size() >= kMaxTensors) bad(format("holds more than {} tensors", kMaxTensors));
        if ((name_bytes_ += name.size()) > kMaxNameBytes) bad("tensor names are too long");
        table_.tensors.push_back(locate(pickle_.tensors[static_cast<size_t>(value.integer)], storages_,
                                        name.empty() ? "tensor" : name, file_));
        break;
      case PickleKind::Tuple:
      case PickleKind::List:
        for (size_t i = 0; i < value.items.size(); ++i)
          visit(value.items[i], joined(name, std::to_string(i)), depth + 1);
        break;
      case PickleKind::Dict:
        for (size_t i = 0; i < value.items.size(); i += 2) visit_entry(value.items[i], value.items[i + 1], name, depth);
        break;
      default:
        remember_scalar(value, name, depth);
    }
  }

 private:
  [[noreturn]] void bad(const std::string& why) const {
    fail(ErrorCode::Corrupt, "file {}: pickle: {}; save the state_dict as safetensors", file_->path().string(), why);
  }
  static std::string joined(const std::string& name, std::string_view key) {
    return name.empty() ? std::string(key) : name + "." + std::string(key);
  }

  void visit_entry(PickleId key_id, PickleId value, const std::string& name, int depth) {
    const PickleValue& key = pickle_[key_id];
    if (key.kind == PickleKind::Text) {
      if (key.text.size() > 1000) bad("a key of more than 1000 characters");
      visit(value, joined(name, key.text), depth + 1);
    } else if (key.kind == PickleKind::Int) {
      visit(value, joined(name, std::to_string(key.integer)), depth + 1);
    }
  }

  // Numbers and short texts of the outermost dictionary ("epoch", "global_step").
  void remember_scalar(const PickleValue& value, const std::string& name, int depth) {
    if (depth != 1 || table_.metadata.size() > 1000) return;
    if (value.kind == PickleKind::Int || value.kind == PickleKind::Bool)
      table_.metadata.emplace(name, std::to_string(value.integer));
    if (value.kind == PickleKind::Float) table_.metadata.emplace(name, format("{}", value.number));
    if (value.kind == PickleKind::Text && value.text.size() <= 1000) table_.metadata.emplace(name, value.text);
  }

  const Pickle& pickle_;
  const Storages& storages_;
  const FilePtr& file_;
  WeightTable& table_;
  size_t visits_ = 0, name_bytes_ = 0;
};

// Training checkpoints keep the parameters under "state_dict" or "model"; the rest is not the model.
PickleId unwrapped(const Pickle& pickle) {
  const PickleValue& root = pickle[pickle.root];
  if (root.kind != PickleKind::Dict) return pickle.root;
  for (const std::string_view wrapper : {"state_dict", "model"})
    for (size_t i = 0; i < root.items.size(); i += 2) {
      const PickleValue& key = pickle[root.items[i]];
      if (key.kind == PickleKind::Text && key.text == wrapper && pickle[root.items[i + 1]].kind == PickleKind::Dict)
        return root.items[i + 1];
    }
  return pickle.root;
}

WeightTable collect(const Pickle& pickle, const Storages& storages, const FilePtr& file) {
  WeightTable table{.path = file->path(), .format = "torch"};
  Walk(pickle, storages, file, table).visit(unwrapped(pickle), "", 0);
  if (table.tensors.empty())
    fail(ErrorCode::Unsupported, "file {}: the pickle holds no tensors", file->path().string());
  return table;
}

}  // namespace

WeightTable read_torch_zip(FilePtr file) {
  const std::string what = "file " + file->path().string();
  const auto entries = read_stored_zip(file->bytes(), what, "/code/");
  std::string folder;
  for (const auto& [name, bytes] : entries) {
    if (!name.ends_with("/data.pkl")) continue;
    if (!folder.empty()) fail(ErrorCode::Corrupt, "{}: zip file with two data.pkl", what);
    folder = name.substr(0, name.size() - std::string_view("data.pkl").size());
  }
  if (folder.empty()) fail(ErrorCode::Unsupported, "{}: a zip file, but not from torch.save: it has no data.pkl", what);
  const auto order = entries.find(folder + "byteorder");
  if (order != entries.end() && (order->second.size() != 6 || std::memcmp(order->second.data(), "little", 6) != 0))
    fail(ErrorCode::Unsupported, "{}: written on a big-endian machine", what);

  const auto& data = entries.at(folder + "data.pkl");
  if (data.size() > kMaxPickle)
    fail(ErrorCode::Corrupt, "{}: data.pkl of {} bytes, want at most {}", what, data.size(), kMaxPickle);
  Storages storages;
  const std::string prefix = folder + "data/";
  for (const auto& [name, bytes] : entries)
    if (name.starts_with(prefix)) storages.emplace(std::string_view(name).substr(prefix.size()), bytes);
  return collect(read_pickle(data, what), storages, file);
}

WeightTable read_torch_legacy(FilePtr file) {
  const std::string what = "file " + file->path().string();
  // Protocol 2 and the long integer 0x1950a86a20f9469cfc6c, then the version 1001, as pickles of their own.
  constexpr std::string_view kMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.", 21);
  ByteReader in(file->bytes(), what);
  if (in.left() < kMagic.size() || in.take_text(kMagic.size()) != kMagic)
    fail(ErrorCode::Unsupported, "{}: a Python pickle, but not from torch.save", what);
  const auto next_pickle = [&] {
    Pickle pickle = read_pickle(file->bytes().subspan(in.position()), what);
    in.take(pickle.end);
    return pickle;
  };
  next_pickle();  // byte order and sizes of C types
  const Pickle object = next_pickle();
  const Pickle keys = next_pickle();
  std::unordered_map<std::string_view, PickledStorage> known;
  for (const PickledStorage& storage : object.storages) known.emplace(storage.key, storage);
  Storages storages;
  for (const PickleId id : keys[keys.root].items) {
    const auto found = known.find(keys[id].text);
    if (found == known.end()) fail(ErrorCode::Corrupt, "{}: storage {} belongs to no tensor", what, keys[id].text);
    const uint64_t count = in.u64();
    if (count > in.left() / bytes_of(found->second.dtype))
      fail(ErrorCode::Corrupt, "{}: truncated: storage {} wants {} elements, {} bytes are left; download it again",
           what, keys[id].text, count, in.left());
    storages.emplace(found->first, in.take(count * bytes_of(found->second.dtype)));
  }
  return collect(object, storages, file);
}

}  // namespace nibble
