#include "image/codec.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "image/formats.h"
#include "image/noise_test.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/image/pillow/data.safetensors";

void expect_pixels(const Image& got, const Tensor& want, const std::string& name) {
  ASSERT_EQ(got.height, want.dim(0)) << name;
  ASSERT_EQ(got.width, want.dim(1)) << name;
  const auto bytes = want.values<uint8_t>();
  ASSERT_EQ(got.pixels.size(), bytes.size()) << name;
  int64_t differences = 0;
  for (size_t i = 0; i < bytes.size(); ++i) differences += got.pixels[i] != bytes[i];
  EXPECT_EQ(differences, 0) << name;
}

TEST(Codec, Pictures_equal_Pillow_exactly) {
  const GoldenFile golden(kGolden);
  const auto names = golden.names("file.");
  EXPECT_EQ(names.size(), 28u);
  for (const std::string& name : names) {
    const std::string bare = name.substr(5);
    const DecodedImage decoded = decode_image(golden.text(name), bare);
    expect_pixels(to_rgb(decoded.image), golden["rgb." + bare], bare);
    if (!golden.has("upright." + bare)) {
      EXPECT_EQ(decoded.orientation, 1) << bare;
      continue;
    }
    expect_pixels(oriented(to_rgb(decoded.image), decoded.orientation), golden["upright." + bare], bare);
  }
}

TEST(Codec, Luma_equals_Pillow) {
  const GoldenFile golden(kGolden);
  expect_pixels(to_grey(decode_image(golden.text("file.rgb.png"), "rgb.png").image), golden["grey.rgb.png"], "grey");
}

TEST(Codec, Channels_are_kept) {
  const GoldenFile golden(kGolden);
  const auto channels = [&](const std::string& name) { return decode_image(golden.text("file." + name), name).image.channels; };
  EXPECT_EQ(channels("grey.png"), 1);
  EXPECT_EQ(channels("bit.png"), 1);
  EXPECT_EQ(channels("rgb.png"), 3);
  EXPECT_EQ(channels("palette.png"), 3);
  EXPECT_EQ(channels("palette_clear.png"), 4);
  EXPECT_EQ(channels("la.png"), 4);
  EXPECT_EQ(channels("alpha.webp"), 4);
  EXPECT_EQ(channels("grey.jpg"), 1);
  EXPECT_EQ(channels("cmyk.jpg"), 3);
}

TEST(Codec, Texts_written_by_Pillow_are_read) {
  const GoldenFile golden(kGolden);
  const ImageTexts texts = decode_image(golden.text("text.many"), "many").texts;
  std::string repeated;
  for (int i = 0; i < 100; ++i) repeated += "abc ";
  const ImageTexts want = {{"parameters", "a cat\nSteps: 20, Größe: 5×5"}, {"prompt", "一只猫 🐱"}, {"long", repeated}, {"Title", "mèo"}};
  EXPECT_EQ(texts, want);
}

TEST(Codec, Png_round_trip_with_texts) {
  const ImageTexts texts = {{"parameters", "một con mèo\nSteps: 20, Seed: 7"}, {"Comment", "café"}, {"empty", ""}};
  for (const int channels : {1, 3, 4}) {
    const Image image = noise(3, 17, 29, channels);
    const std::string bytes = encode_png(image, texts);
    EXPECT_EQ(bytes, encode_png(image, texts));
    const DecodedImage decoded = decode_image(bytes, "round trip");
    EXPECT_EQ(decoded.image, image);
    EXPECT_EQ(decoded.texts, texts);
  }
}

// The chunk as the PNG specification lays it out: length, kind, keyword, NUL, text.
TEST(Codec, Latin1_texts_are_tEXt_and_others_iTXt) {
  const std::string bytes = encode_png(noise(1, 2, 2), {{"a", "caf\xC3\xA9"}, {"b", "\xE7\x8C\xAB"}});
  EXPECT_NE(bytes.find(std::string("\0\0\0\6tEXta\0caf\xE9", 14)), std::string::npos);
  EXPECT_NE(bytes.find(std::string("\0\0\0\x09iTXtb\0\0\0\0\0\xE7\x8C\xAB", 17)), std::string::npos);
}

TEST(Codec, Writes_whole_files_and_reads_them_by_content) {
  const fs::path file = fs::path(::testing::TempDir()) / "nibble_codec_test.jpg";
  const Image image = noise(5, 8, 9, 4);
  write_png(file, image);
  EXPECT_EQ(read_rgb(file), to_rgb(image));
  EXPECT_EQ(read_upright_rgb(file), to_rgb(image));
  fs::remove(file);
  EXPECT_THROW(write_png(fs::path(::testing::TempDir()) / "absent" / "x.png", image), Error);
  EXPECT_THROW(read_rgb(file), Error);
}

ErrorCode error_of(const std::string& bytes) {
  try {
    decode_image(bytes, "hostile");
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("hostile")) << error.what();
    return error.code();
  }
  return ErrorCode::Internal;
}

TEST(Codec, Other_formats_are_refused) {
  EXPECT_EQ(error_of(""), ErrorCode::Unsupported);
  EXPECT_EQ(error_of("GIF89a..........."), ErrorCode::Unsupported);
  EXPECT_EQ(error_of("\x89PNG\r\n\x1a\n"), ErrorCode::Corrupt);
  EXPECT_EQ(error_of("\xFF\xD8\xFF"), ErrorCode::Corrupt);
  EXPECT_EQ(error_of("RIFF....WEBP"), ErrorCode::Corrupt);
}

TEST(Codec, Truncated_pictures_are_refused) {
  const GoldenFile golden(kGolden);
  for (const std::string& name : golden.names("file.")) {
    const std::string bytes = golden.text(name);
    for (const size_t size : {bytes.size() / 4, bytes.size() / 2, bytes.size() - bytes.size() / 8}) {
      const ErrorCode code = error_of(bytes.substr(0, size));
      EXPECT_TRUE(code == ErrorCode::Corrupt || code == ErrorCode::Unsupported) << name << " cut to " << size;
    }
  }
}

void put_u32(std::string& bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (24 - 8 * i));
}

TEST(Codec, Sizes_beyond_the_limit_or_the_data_are_refused) {
  // The CRC of the header is no longer right; libpng says so, or the size check does.
  std::string bytes = encode_png(noise(1, 4, 4));
  put_u32(bytes, 16, 1 << 30);
  put_u32(bytes, 20, 1 << 30);
  EXPECT_NE(error_of(bytes), ErrorCode::Internal);
  EXPECT_THROW(check_image_size(100'000, 100'000, "x"), Error);
  EXPECT_THROW(check_image_size(0, 5, "x"), Error);
  EXPECT_NO_THROW(check_image_size(10'000, 10'000, "x"));
}

TEST(Codec, Damaged_pictures_never_crash) {
  const GoldenFile golden(kGolden);
  const unsigned seed = 1;
  std::mt19937 random(seed);
  SCOPED_TRACE(format("seed {}", seed));
  int refused = 0, read = 0;
  for (const std::string& name : golden.names("file.")) {
    for (int round = 0; round < 40; ++round) {
      std::string bytes = golden.text(name);
      for (int i = 0; i < 1 + round / 10; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
      try {
        decode_image(bytes, name);
        ++read;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(read, 100);
}

TEST(Exif, Reads_both_byte_orders_and_ignores_damage) {
  const std::string little("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0", 22);
  const std::string big("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0", 22);
  EXPECT_EQ(exif_orientation(little), 6);
  EXPECT_EQ(exif_orientation(big), 8);
  EXPECT_EQ(exif_orientation(""), 1);
  for (size_t size = 0; size < little.size() - 3; ++size) EXPECT_EQ(exif_orientation(little.substr(0, size)), 1) << size;
  std::string odd = little;
  odd[18] = 9;
  EXPECT_EQ(exif_orientation(odd), 1);
}

TEST(Image, Crop_takes_the_rectangle) {
  const Image image = noise(2, 6, 7);
  const Image part = crop(image, 2, 1, 3, 4);
  EXPECT_EQ(part.width, 3);
  EXPECT_EQ(part.height, 4);
  for (int64_t y = 0; y < 4; ++y) {
    for (int64_t i = 0; i < 9; ++i) EXPECT_EQ(part.row(y)[i], image.row(y + 1)[6 + i]);
  }
}

}  // namespace
}  // namespace nibble
