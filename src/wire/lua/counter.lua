local function raise_counter(fence, number)
  --[[ raise-counter ]]
  if failure then return nil, failure end
  return token
end
