// Opcodes of Python's pickle protocols 0 to 4 that torch.save writes.
#pragma once

#include <cstdint>

namespace nibble::pickle_op {

// clang-format off
inline constexpr uint8_t
    kMark = '(', kStop = '.', kPop = '0', kPopMark = '1', kDup = '2', kInt = 'I', kBinInt = 'J',
    kBinInt1 = 'K', kLong = 'L', kBinInt2 = 'M', kNone = 'N', kBinPersId = 'Q', kReduce = 'R',
    kBinString = 'T', kShortBinString = 'U', kBinUnicode = 'X', kAppend = 'a', kBuild = 'b', kGlobal = 'c',
    kDict = 'd', kEmptyDict = '}', kAppends = 'e', kBinGet = 'h', kLongBinGet = 'j', kList = 'l',
    kEmptyList = ']', kBinPut = 'q', kLongBinPut = 'r', kSetItem = 's', kTuple = 't', kEmptyTuple = ')',
    kSetItems = 'u', kBinFloat = 'G', kBinBytes = 'B', kShortBinBytes = 'C', kProto = 0x80, kNewObj = 0x81,
    kTuple1 = 0x85, kTuple2 = 0x86, kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89, kLong1 = 0x8a, kLong4 = 0x8b,
    kShortBinUnicode = 0x8c, kBinUnicode8 = 0x8d, kBinBytes8 = 0x8e, kEmptySet = 0x8f, kAddItems = 0x90,
    kStackGlobal = 0x93, kMemoize = 0x94, kFrame = 0x95;
// clang-format on

}  // namespace nibble::pickle_op
