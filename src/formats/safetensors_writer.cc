#include "formats/safetensors_writer.h"

#include <set>

#include "base/error.h"
#include "base/json.h"
#include "formats/weight_table.h"

namespace nibble {
namespace {

constexpr size_t kAlign = 64;

size_t round_up(size_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

OrderedJson row(const char* dtype, std::span<const int64_t> shape, size_t begin, size_t end) {
  return {
      {"dtype", dtype}, {"shape", std::vector<int64_t>(shape.begin(), shape.end())}, {"data_offsets", {begin, end}}};
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& file, std::vector<TensorInfo> tensors,
                                     const Metadata& metadata, SafetensorsLayout layout)
    : out_(file), tensors_(std::move(tensors)), pads_(tensors_.size()) {
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names;
  size_t offset = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TensorInfo& t = tensors_[i];
    if (t.name == "__metadata__" || t.name.starts_with(kPadTensorPrefix) || !names.insert(t.name).second)
      fail(ErrorCode::InvalidArgument, "file {}: tensor name {} is reserved or appears twice", file.string(), t.name);
    if (layout == SafetensorsLayout::Aligned && offset % kAlign != 0) {
      const auto pad = static_cast<int64_t>(round_up(offset) - offset);
      pads_[i] = static_cast<size_t>(pad);
      header[format("{}{}", kPadTensorPrefix, i)] = row("U8", {&pad, 1}, offset, round_up(offset));
      offset = round_up(offset);
    }
    header[t.name] = row(traits(t.dtype).safetensors, t.shape.dims(), offset, offset + t.bytes());
    offset += t.bytes();
  }
  std::string text = header.dump();
  text.resize(round_up(8 + text.size()) - 8, ' ');
  unsigned char length[8];
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(text.size() >> (8 * i) & 0xff);
  out_.write(length, sizeof length);
  out_.write(text.data(), text.size());
}

// Writes the pad and passes over tensors without bytes.
void SafetensorsWriter::begin_tensor() {
  constexpr char kZeros[kAlign] = {};
  while (!begun_ && next_ < tensors_.size()) {
    if (pads_[next_] > 0) out_.write(kZeros, pads_[next_]);
    left_ = tensors_[next_].bytes();
    begun_ = left_ > 0;
    if (!begun_) ++next_;
  }
}

void SafetensorsWriter::write(const Tensor& tensor) {
  if (tensor.bytes() == 0) return;
  begin_tensor();
  NIBBLE_CHECK(next_ < tensors_.size(), "more tensors than announced");
  const TensorInfo& want = tensors_[next_];
  NIBBLE_CHECK(tensor.dtype() == want.dtype && tensor.shape() == want.shape, "tensor {}: announced {} {}, given {} {}",
               want.name, to_string(want.dtype), to_string(want.shape), to_string(tensor.dtype()),
               to_string(tensor.shape()));
  write_bytes(tensor.data(), tensor.bytes());
}

void SafetensorsWriter::write_bytes(const void* bytes, size_t count) {
  if (count == 0) return;
  begin_tensor();
  NIBBLE_CHECK(begun_ && count <= left_, "{} bytes, {} announced", count, left_);
  out_.write(bytes, count);
  left_ -= count;
  if (left_ > 0) return;
  begun_ = false;
  ++next_;
}

void SafetensorsWriter::finish() {
  begin_tensor();
  NIBBLE_CHECK(next_ == tensors_.size(), "{} of {} tensors written", next_, tensors_.size());
  out_.commit();
}

void write_safetensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const Metadata& metadata, SafetensorsLayout layout) {
  std::vector<TensorInfo> infos;
  for (const auto& [name, tensor] : tensors) infos.push_back({name, tensor.dtype(), tensor.shape()});
  SafetensorsWriter writer(file, std::move(infos), metadata, layout);
  for (const auto& [name, tensor] : tensors) writer.write(tensor);
  writer.finish();
}

}  // namespace nibble
